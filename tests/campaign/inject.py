"""Injects a fault while a worker is paused at its point."""

import signal
from typing import TYPE_CHECKING

import psycopg

from tests.campaign.database import Stop
from tests.campaign.faults import Fault
from tests.campaign.workers import Worker

if TYPE_CHECKING:
    from tests.campaign.fake_bursar import FakeBursar
    from tests.campaign.world import World

STOPS: dict[str, Stop] = {
    "PostgreSQL stopped": "stopped",
    "PostgreSQL stopped immediately": "stopped immediately",
    "PostgreSQL killed": "killed",
}
ORDERS: dict[str, dict[str, str]] = {
    "server's disk full": {"effect": "full"},
    "connection dropped before an act": {"effect": "drop", "side": "before"},
    "connection dropped after an act": {"effect": "drop", "side": "after"},
}
ABANDONED_KINDS = ("abandoned worker continues", "abandoned worker continues without its connections")


def inject_fault(world: "World", bursar: "FakeBursar | None", worker: Worker, fault: Fault) -> bool:
    """Injects a fault and resumes the worker, if it still runs; returns whether the fault had a target."""
    if fault.kind == "worker killed":
        worker.signal(signal.SIGKILL)
        return True
    if fault.kind in ABANDONED_KINDS:
        worker.freeze()
        return fault.kind == ABANDONED_KINDS[0] or _terminate(world, worker)
    is_injected = _inject_into_services(world, bursar, worker, fault)
    worker.resume()
    return is_injected


def _inject_into_services(world: "World", bursar: "FakeBursar | None", worker: Worker, fault: Fault) -> bool:
    if fault.kind in STOPS:
        return _stop_database(world, STOPS[fault.kind], fault.seconds)
    if fault.kind == "all connections to the ledger terminated":
        return _terminate(world, worker)
    if fault.kind == "connection of the lock terminated":
        return _terminate(world, worker, only_locks=True)
    return bursar is not None and _inject_into_server(world, bursar, fault)


def _inject_into_server(world: "World", bursar: "FakeBursar", fault: Fault) -> bool:
    server = bursar.server
    if order := ORDERS.get(fault.kind):
        return server.order(**order)
    match fault.kind:
        case "server killed":
            server.kill()
            world.schedule_repair(fault.seconds, server.start)
        case "server frozen for a moment":
            server.freeze()
            world.schedule_repair(fault.seconds, server.thaw)
        case "server frozen":
            server.freeze()
        case "the bursar acts at that moment":
            return bursar.act(world.random)
    return True


def _stop_database(world: "World", how: Stop, seconds: float) -> bool:
    if any(repair.action == world.database.start for repair in world.repairs):
        return False  # it is down already
    world.database.stop(how)
    world.schedule_repair(seconds, world.database.start)
    return True


def _terminate(world: "World", worker: Worker, *, only_locks: bool = False) -> bool:
    try:
        return world.database.terminate(worker.backends, only_locks=only_locks) > 0
    except psycopg.OperationalError:
        return False
