"""One try of a stage: a worker, or two, and the fault that strikes it."""

import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any

from tests.campaign.faults import WEIGHTS, Fault, Kind
from tests.campaign.office import Office
from tests.campaign.stages import Stages
from tests.campaign.striking import DEAD, strike
from tests.campaign.workers import Reports, Result, Worker
from tests.campaign.world import MACHINES, profile_of, settings_of

if TYPE_CHECKING:
    from tests.campaign.round import Round

Call = Callable[[Stages, Reports], object]
Ending = Generator[None, None, Result]
DEAD_SECONDS = 4
"""The longest that a worker taken for dead stands still."""
TAKEN_FOR_DEAD = Result(error="TakenForDead", text="another worker takes over", ours=True, passing=True)


@dataclass
class Actor:
    """Someone who starts stages: a name, the office that it deals with, and its own part of the plan."""

    name: str
    random: Random
    office: Office | None = None
    faults: Mapping[Kind, int] = field(default_factory=lambda: WEIGHTS)

    @property
    def code(self) -> str:
        return self.office.profile if self.office else "CASHIER"


@dataclass
class Dead:
    """A worker that was taken for dead: frozen until a moment, or until its replacement has ended."""

    actor: Actor
    worker: Worker
    thaws: float
    connected: bool


@dataclass
class Try:
    """A try of a stage that somebody starts; `workers` are those that it started."""

    actor: Actor
    stage: str
    number: int
    call: Call
    fault: Fault | None
    workers: list[Worker] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.actor.name}, {self.stage}, try {self.number}"


def attempt(round_: "Round", one: Try) -> Ending:
    """Makes a try, with its fault; gives how it ended as far as Airflow sees it."""
    actor, fault = one.actor, one.fault
    machine = MACHINES[actor.random.random() < 0.2]
    stages = Stages(
        profile_of(actor.code),
        settings_of(allowed=round_.allowed),
        round_.world.work_dir(machine, actor.code),
        datetime.now(UTC),
    )

    def start(**of_worker: Any) -> Worker:
        round_.tally.stages += 1
        worker = round_.world.fork(str(one), lambda reports: one.call(stages, reports), **of_worker)
        one.workers.append(worker)
        return worker

    if fault is None:
        result = yield from _end_of(start())
        round_.learn(one.stage, one.workers[0])
    elif fault.kind == "two workers of one stage":
        result = yield from _twins(round_, one, start)
    elif fault.point is None:
        result = yield from _from_the_beginning(round_, one, fault, start)
    else:
        result = yield from _at_its_point(round_, one, fault, start(point=fault.point))
    return result


def result_of(worker: Worker) -> Result:
    """How a worker ended; one that said nothing was killed."""
    return worker.result or Result(killed=True)


def _end_of(worker: Worker) -> Ending:
    while worker.result is None:
        yield
    return result_of(worker)


def _twins(round_: "Round", one: Try, start: Callable[[], Worker]) -> Ending:
    twins = [start(), start()]
    for twin in twins:
        yield from _end_of(twin)
    results = [result_of(twin) for twin in twins]
    round_.injected.append("two workers of one stage")
    best = next((result for result in results if result.ok), results[0])
    for result in results:
        if best.ok and result.needs_person:
            round_.violate("the slower of two workers fails for good", f"{one}: {result}")
    return best


def _from_the_beginning(round_: "Round", one: Try, fault: Fault, start: Callable[..., Worker]) -> Ending:
    """A disk that is full, or a server that refuses connections, for the whole of a try."""
    office = one.actor.office
    if fault.file_limit is None and office:
        office.server.kill()
    result = yield from _end_of(start(file_limit=fault.file_limit))
    if fault.file_limit is None and office:
        office.server.start()
    if fault.file_limit is None or not result.ok:
        round_.inject(str(one), fault)
    return result


def _at_its_point(round_: "Round", one: Try, fault: Fault, worker: Worker) -> Ending:
    office = one.actor.office
    while not worker.paused_at and not worker.result:
        yield
    if worker.paused_at:
        round_.trace.add(str(one), f"{worker.paused_at}: {fault.kind}")
        if strike(round_.world, office, worker, fault):
            round_.inject(str(one), fault)
        if fault.kind in DEAD:
            thaws = time.monotonic() + (fault.seconds / 2 if fault.alongside else DEAD_SECONDS)
            round_.dead.append(Dead(one.actor, worker, thaws, fault.kind == DEAD[0]))
            return TAKEN_FOR_DEAD
    result = yield from _end_of(worker)
    if office and fault.kind == "server frozen":
        office.server.thaw()
    if office and "connection dropped" in fault.kind:
        office.server.tell(effect=None)
    return result
