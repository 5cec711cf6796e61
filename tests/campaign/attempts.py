"""One attempt of a stage: a worker, or two, and the fault that is injected."""

import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any

from tests.campaign.fake_bursar import FakeBursar
from tests.campaign.faults import WEIGHTS, Fault, Kind
from tests.campaign.inject import ABANDONED_KINDS, inject_fault
from tests.campaign.stages import Stages
from tests.campaign.workers import Reports, Result, Worker
from tests.campaign.world import MACHINES, make_profile, make_settings

if TYPE_CHECKING:
    from tests.campaign.round import Round

Call = Callable[[Stages, Reports], object]
Ending = Generator[None, None, Result]
MAX_ABANDONED_SECONDS = 4
"""The longest time for which an abandoned worker is frozen."""
ABANDONED = Result(error="Abandoned", text="Airflow gave up on this worker", is_bursar_error=True, is_transient=True)


@dataclass
class Actor:
    """A starter of stages: its name, its bursar if it has one, and its own random numbers."""

    name: str
    random: Random
    bursar: FakeBursar | None = None
    faults: Mapping[Kind, int] = field(default_factory=lambda: WEIGHTS)

    @property
    def code(self) -> str:
        return self.bursar.profile if self.bursar else "CASHIER"


@dataclass
class AbandonedWorker:
    """A worker that Airflow gave up on: frozen until a moment, or until its replacement has ended."""

    actor: Actor
    worker: Worker
    resumes_at: float
    connected: bool


@dataclass
class Attempt:
    """One attempt of a stage by an actor, with the workers that it has started."""

    actor: Actor
    stage: str
    number: int
    call: Call
    fault: Fault | None
    workers: list[Worker] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.actor.name}, {self.stage}, attempt {self.number}"


def run_attempt(round_: "Round", attempt: Attempt) -> Ending:
    """Runs an attempt with its fault; returns its result as Airflow sees it."""
    actor, fault = attempt.actor, attempt.fault
    machine = MACHINES[actor.random.random() < 0.2]
    stages = Stages(
        make_profile(actor.code, round_.uploads.get(actor.code, {}), round_.layouts.get(actor.code)),
        make_settings(allowed=round_.allowed),
        round_.world.work_dir(machine, actor.code),
        datetime.now(UTC),
    )

    def start(**of_worker: Any) -> Worker:
        round_.tally.stages += 1
        worker = round_.world.fork(str(attempt), lambda reports: attempt.call(stages, reports), **of_worker)
        attempt.workers.append(worker)
        return worker

    if fault is None:
        result = yield from _wait_for(start())
        round_.count_acts(attempt.stage, attempt.workers[0])
    elif fault.kind == "two workers of one stage":
        result = yield from _run_twins(round_, attempt, start)
    elif fault.point is None:
        result = yield from _run_with_lasting_fault(round_, attempt, fault, start)
    else:
        result = yield from _run_with_fault_at_point(round_, attempt, fault, start(point=fault.point))
    return result


def result_of(worker: Worker) -> Result:
    """Returns the result of a worker; without one, it was killed."""
    return worker.result or Result(killed=True)


def _wait_for(worker: Worker) -> Ending:
    while worker.result is None:
        yield
    return result_of(worker)


DISK_FULL = "No space left on device"


def _run_twins(round_: "Round", attempt: Attempt, start: Callable[[], Worker]) -> Ending:
    twins = [start(), start()]
    for twin in twins:
        yield from _wait_for(twin)
    results = [result_of(twin) for twin in twins]
    round_.injected.append("two workers of one stage")
    best = next((result for result in results if result.ok), results[0])
    for result in results:
        if best.ok and result.needs_person and DISK_FULL not in str(result):  # which is another fault
            round_.add_violation("the slower of two workers fails for good", f"{attempt}: {result}")
    return best


def _run_with_lasting_fault(round_: "Round", attempt: Attempt, fault: Fault, start: Callable[..., Worker]) -> Ending:
    """Runs an attempt with a full disk, or with a server that refuses connections."""
    bursar = attempt.actor.bursar
    if fault.file_limit is None and bursar:
        bursar.server.kill()
    result = yield from _wait_for(start(file_limit=fault.file_limit))
    if fault.file_limit is None and bursar:
        bursar.server.start()
    if fault.file_limit is None or not result.ok:
        round_.record_fault(str(attempt), fault)
    return result


def _run_with_fault_at_point(round_: "Round", attempt: Attempt, fault: Fault, worker: Worker) -> Ending:
    bursar = attempt.actor.bursar
    while not worker.paused_at and not worker.result:
        yield
    if worker.paused_at:
        round_.trace.add(str(attempt), f"{worker.paused_at}: {fault.kind}")
        if inject_fault(round_.world, bursar, worker, fault):
            round_.record_fault(str(attempt), fault)
        if fault.kind in ABANDONED_KINDS:
            resumes_at = time.monotonic() + (fault.seconds / 2 if fault.alongside else MAX_ABANDONED_SECONDS)
            round_.abandoned.append(
                AbandonedWorker(attempt.actor, worker, resumes_at, fault.kind == ABANDONED_KINDS[0])
            )
            return ABANDONED
    result = yield from _wait_for(worker)
    if bursar and fault.kind == "server frozen":
        bursar.server.thaw()
    if bursar and "connection dropped" in fault.kind:
        bursar.server.order(effect=None)
    return result
