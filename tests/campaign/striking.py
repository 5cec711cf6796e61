"""Striking: a fault is brought about while a worker stands at its point."""

import signal
from typing import TYPE_CHECKING

import psycopg

from tests.campaign.database import Stop
from tests.campaign.faults import Fault
from tests.campaign.workers import Worker

if TYPE_CHECKING:
    from tests.campaign.office import Office
    from tests.campaign.world import World

STOPS: dict[str, Stop] = {
    "PostgreSQL stopped": "stopped",
    "PostgreSQL stopped at once": "stopped at once",
    "PostgreSQL killed": "killed",
}
ORDERS: dict[str, dict[str, str]] = {
    "server's disk full": {"effect": "full"},
    "connection dropped before an act": {"effect": "drop", "side": "before"},
    "connection dropped after an act": {"effect": "drop", "side": "after"},
}
DEAD = ("worker taken for dead goes on", "worker taken for dead goes on without its connections")


def strike(world: "World", office: "Office | None", worker: Worker, fault: Fault) -> bool:
    """Brings a fault about and lets the worker go on, if it still can; returns whether anything was struck."""
    if fault.kind == "worker killed":
        worker.signal(signal.SIGKILL)
        return True
    if fault.kind in DEAD:
        worker.freeze()
        return fault.kind == DEAD[0] or _terminate(world, worker)
    struck = _strike_surroundings(world, office, worker, fault)
    worker.resume()
    return struck


def _strike_surroundings(world: "World", office: "Office | None", worker: Worker, fault: Fault) -> bool:
    if fault.kind in STOPS:
        return _stop_database(world, STOPS[fault.kind], fault.seconds)
    if fault.kind == "all connections to the ledger terminated":
        return _terminate(world, worker)
    if fault.kind == "connection of the lock terminated":
        return _terminate(world, worker, only_locks=True)
    return office is not None and _strike_server(world, office, fault)


def _strike_server(world: "World", office: "Office", fault: Fault) -> bool:
    server = office.server
    if order := ORDERS.get(fault.kind):
        return server.tell(**order)
    match fault.kind:
        case "server killed":
            server.kill()
            world.later(fault.seconds, server.start)
        case "server frozen for a moment":
            server.freeze()
            world.later(fault.seconds, server.thaw)
        case "server frozen":
            server.freeze()
        case "the office acts at that moment":
            return office.act(world.random)
    return True


def _stop_database(world: "World", how: Stop, seconds: float) -> bool:
    if any(repair.does == world.database.start for repair in world.repairs):
        return False  # it is down already
    world.database.stop(how)
    world.later(seconds, world.database.start)
    return True


def _terminate(world: "World", worker: Worker, *, only_locks: bool = False) -> bool:
    try:
        return world.database.terminate(worker.backends, only_locks=only_locks) > 0
    except psycopg.OperationalError:
        return False
