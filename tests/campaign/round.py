"""A round: some days of a library with two bursars, with faults; then all is brought to its end, and checked."""

import signal
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

import psycopg
from sqlalchemy import Engine

from bursar.ledger.connection import ledger_engine
from bursar.orchestration.connections import ledger_url
from tests.campaign.checks import Checks
from tests.campaign.desk import LibrarySystem, Truth
from tests.campaign.faults import WEIGHTS, Acts, Fault, Kind, draw
from tests.campaign.office import Office
from tests.campaign.points import KINDS
from tests.campaign.report import Tally, Trace, Violation
from tests.campaign.servers import Takes
from tests.campaign.stages import Stages
from tests.campaign.striking import DEAD, strike
from tests.campaign.workers import Reports, Result, Worker
from tests.campaign.world import MACHINES, World, profile_of, settings_of

Steps = Generator[None, None, None]
STUCK_SECONDS = 20
DEAD_SECONDS = 4
"""The longest that a worker taken for dead stands still."""
MOST_WAITING = 2
TRIES, NOISY_TRIES, FAULT_RATE = 6, 4, 0.85
TAKEN_FOR_DEAD = Result(error="TakenForDead", text="another worker takes over", ours=True, passing=True)
Call = Callable[[Stages, Reports], object]


@dataclass
class Dead:
    """A worker that was taken for dead: frozen until a moment, or until its replacement has ended."""

    actor: str
    worker: Worker
    thaws: float
    connected: bool


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


class Round:
    """One round of a campaign; the same seed and number give the same plan. Round 0 has no faults."""

    def __init__(self, world: World, seed: int, number: int, tally: Tally, acts: dict[str, dict[Any, int]]) -> None:
        self.world, self.seed, self.number, self.tally = world, seed, number, tally
        self.acts: Acts = acts
        self._acts = acts
        self.random = self.part("round")
        self.noisy = number > 0
        self.trace = Trace()
        self.truth = Truth()
        self.found: list[Violation] = []
        self.injected: list[Kind] = []
        self.dead: list[Dead] = []
        self.allowed = self.random.random() < 0.5  # noqa: PLR2004
        takes = self.random.choices([None, "at once", "a moment later"], [18, 1, 1])[0] if self.noisy else None
        self.takes: dict[str, Takes] = {self.random.choice(("CASHIER", "TUITION")): takes} if takes else {}
        world.clear(same_name=self.random.random() < 0.5, takes=self.takes)  # noqa: PLR2004
        self.system = LibrarySystem(world.folder, self.part("library"))

    def part(self, name: str) -> Random:
        """The part of the plan that belongs to someone."""
        return Random(f"{self.seed}/{self.number}/{name}")

    def actor(self, name: str, code: str | None = None, faults: Mapping[Kind, int] = WEIGHTS) -> Actor:
        """Someone who starts stages."""
        if self.takes:  # such a server hands a late worker's part to the bursar, which nothing can prevent
            faults = {kind: weight for kind, weight in faults.items() if kind not in DEAD}
        return Actor(name, self.part(name), self.world.offices[code] if code else None, faults)

    def spin(self, *actors: Iterator[None], office: Random | None = None) -> None:
        """Lets everybody act until all have ended; meanwhile offices take files and write payments at any moment."""
        active, next_visit = list(actors), time.monotonic()
        while active or self.world.workers:
            for actor in list(active):
                try:
                    next(actor)
                except StopIteration:
                    active.remove(actor)
            self._tick()
            if office and time.monotonic() >= next_visit:
                self._visit(office)
                next_visit = time.monotonic() + office.uniform(0.02, 0.3)
            time.sleep(0.002)

    def stage(self, actor: Actor, name: str, call: Call) -> Generator[None, None, Result]:
        """Runs a stage as Airflow does: tried again unless a person has to act. Faults strike the first tries."""
        result = Result(killed=True)
        for number in range(1, TRIES + 1):
            fault = None
            if self.noisy and number <= NOISY_TRIES and actor.random.random() < FAULT_RATE:
                fault = draw(actor.random, name, self.acts, allowed=actor.faults)
            replaced = [dead for dead in self.dead if dead.actor == actor.name]
            result = yield from self._try(actor, name, number, call, fault)
            for dead in replaced:
                dead.thaws = 0
            if result.ok or result.needs_person:
                break
            yield from self.wait(0.01 if self.noisy else 0.2)
        return result

    def command(
        self, actor: Actor, name: str, call: Call, take_reports: Callable[[list[Any]], None]
    ) -> Generator[None, None, Result]:
        """Runs something once, as a person does, and hands on what it reported however it ended."""
        fault = draw(actor.random, name, self.acts, allowed=actor.faults) if self.noisy else None
        workers: list[Worker] = []
        result = yield from self._try(actor, name, 1, call, fault, workers)
        for worker in workers:
            take_reports(worker.reports)
        return result

    def engine(self) -> Engine:
        """The ledger, as the DAGs see it; for the time between the acts, when nothing is forked."""
        return ledger_engine(ledger_url())

    def wait(self, seconds: float) -> Generator[None, None, None]:
        """Lets the others act for a while."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            yield

    def rows(self, query: str, *values: object) -> list[Any]:
        """Rows of the ledger; none while it is down."""
        try:
            with self.world.database.connect() as connection:
                return connection.execute(query, values or None).fetchall()  # type: ignore[arg-type]
        except psycopg.OperationalError:
            return []

    def violate(self, kind: str, what: str) -> None:
        """Takes note of something that must never happen."""
        self.found.append(Violation(kind, what))
        self.trace.add("VIOLATION", f"{kind}: {what}")

    def check(self) -> None:
        """Makes the checks, once everything has ended."""
        folders = [self.world.folder / machine for machine in MACHINES]
        with self.world.database.connect() as connection:
            checks = Checks(connection, list(self.world.offices.values()), self.truth, folders)
            for violation in checks.run():
                self.violate(violation.kind, violation.what)
        self.tally.checks += checks.made

    def _try(
        self,
        actor: Actor,
        name: str,
        number: int,
        call: Call,
        fault: Fault | None,
        started: list[Worker] | None = None,
    ) -> Generator[None, None, Result]:
        machine = MACHINES[actor.random.random() < 0.2]  # noqa: PLR2004
        stages = Stages(
            profile_of(actor.code),
            settings_of(allowed=self.allowed),
            self.world.work_dir(machine, actor.code),
            datetime.now(UTC),
        )
        title = f"{name}, try {number}"

        def start(**of_worker: object) -> Worker:
            self.tally.stages += 1
            worker = self.world.fork(f"{actor.name}, {title}", lambda reports: call(stages, reports), **of_worker)
            if started is not None:
                started.append(worker)
            return worker

        if fault is None:
            worker = start()
            yield from self._end_of(worker)
            if self.number == 0:
                self._learn(name, worker)
            return _result_of(worker)
        match fault.kind:
            case "two workers of one stage":
                return (yield from self._twins(actor, title, start))
            case "server refuses connections" if actor.office:
                actor.office.server.kill()
                self._inject(actor, title, fault)
                worker = start()
                yield from self._end_of(worker)
                actor.office.server.start()
                return _result_of(worker)
            case "worker's disk full":
                worker = start(file_limit=fault.file_limit)
                yield from self._end_of(worker)
                if not worker.result or not worker.result.ok:
                    self._inject(actor, title, fault)
                return _result_of(worker)
        worker = start(point=fault.point)
        while not worker.paused_at and not worker.result:
            yield
        if worker.paused_at:
            self.trace.add(actor.name, f"{title}: {worker.paused_at}: {fault.kind}")
            if strike(self.world, actor.office, worker, fault):
                self._inject(actor, title, fault)
            if fault.kind in DEAD:
                thaws = time.monotonic() + (fault.seconds / 2 if fault.alongside else DEAD_SECONDS)
                self.dead.append(Dead(actor.name, worker, thaws, fault.kind == DEAD[0]))
                return TAKEN_FOR_DEAD
        yield from self._end_of(worker)
        if actor.office and fault.kind == "server frozen":
            actor.office.server.thaw()
        if actor.office and "connection dropped" in fault.kind:
            actor.office.server.tell(effect=None)
        return _result_of(worker)

    def _twins(self, actor: Actor, title: str, start: Callable[[], Worker]) -> Generator[None, None, Result]:
        twins = [start(), start()]
        for twin in twins:
            yield from self._end_of(twin)
        results = [_result_of(twin) for twin in twins]
        self.injected.append("two workers of one stage")
        best = next((result for result in results if result.ok), results[0])
        for result in results:
            if best.ok and result.needs_person:
                self.violate("the slower of two workers fails for good", f"{actor.name}: {title}: {result}")
        return best

    def _end_of(self, worker: Worker) -> Generator[None, None, None]:
        while worker.result is None:
            yield

    def _inject(self, actor: Actor, title: str, fault: Fault) -> None:
        self.injected.append(fault.kind)
        if fault.point is None:
            self.trace.add(actor.name, f"{title}: {fault.kind}")

    def _learn(self, name: str, worker: Worker) -> None:
        counts = self._acts.setdefault(name, {})
        for kind in KINDS:
            counts[kind] = max(counts.get(kind, 0), sum(act.startswith(kind) for act in worker.acts))

    def _tick(self) -> None:
        """Looks at all workers, and repairs what is due."""
        now = time.monotonic()
        self.world.repair_due()
        for dead in [one for one in self.dead if one.thaws <= now]:
            self.dead.remove(dead)
            dead.worker.thaw()
            self.trace.add(dead.actor, f"{dead.worker.name} goes on, although taken for dead")
        for worker in list(self.world.workers):
            worker.poll()
            if worker.result:
                self.world.workers.remove(worker)
                self._judge(worker)
            elif not worker.frozen and now - worker.started > STUCK_SECONDS:
                self.violate("a stage is stuck", f"{worker.name}, after {worker.acts[-1:]}")
                worker.started = now
                worker.signal(signal.SIGKILL)

    def _judge(self, worker: Worker) -> None:
        result = _result_of(worker)
        self.trace.add(worker.name, str(result))
        if result.error and not result.ours:
            what = f"{worker.name}: {result.error}: {result.text}; last acts {worker.acts[-3:]}"
            self.violate("an error is not one of ours", what)
        if any(dead.worker is worker for dead in self.dead):
            self.dead = [dead for dead in self.dead if dead.worker is not worker]

    def _visit(self, random: Random) -> None:
        for office in self.world.offices.values():
            share, is_idle = random.random(), len(office.waiting()) < MOST_WAITING
            if share < 0.6:  # noqa: PLR2004
                office.take()
            elif is_idle and share < 0.7:  # noqa: PLR2004
                office.pay(random)
            elif is_idle and share < 0.73:  # noqa: PLR2004
                office.repeat(random)
            elif is_idle and share < 0.74:  # noqa: PLR2004
                office.send_broken()


def _result_of(worker: Worker) -> Result:
    return worker.result or Result(killed=True)
