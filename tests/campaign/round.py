"""A round: some days of a library with two bursars, with faults; then all is brought to its end, and checked."""

import signal
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from random import Random
from typing import Any

import psycopg
from sqlalchemy import Engine

from bursar.airflow.connections import ledger_url
from bursar.db.engine import ledger_engine
from tests.campaign import product
from tests.campaign.attempts import Actor, Call, Dead, Try, attempt, result_of
from tests.campaign.checks import Checks
from tests.campaign.desk import LibrarySystem, Truth
from tests.campaign.faults import WEIGHTS, Fault, Kind, draw
from tests.campaign.points import KINDS, PointKind
from tests.campaign.report import Tally, Trace, Violation
from tests.campaign.servers import Takes
from tests.campaign.striking import DEAD
from tests.campaign.workers import Result, Worker
from tests.campaign.world import MACHINES, World

Steps = Generator[None, None, None]
Learned = dict[str, dict[PointKind, int]]
STUCK_SECONDS = 20
MOST_WAITING = 2
TAKES: tuple[Takes, ...] = ("no", "at once", "a moment later")
TRIES, NOISY_TRIES, FAULT_RATE = 6, 4, 0.85


class Round:
    """One round of a campaign; the same seed and number give the same plan. Round 0 has no faults."""

    def __init__(self, world: World, seed: int, number: int, tally: Tally, acts: Learned) -> None:
        self.world, self.seed, self.number, self.tally = world, seed, number, tally
        self.acts = acts
        self.random = self.part("round")
        self.noisy = number > 0
        self.trace = Trace()
        self.truth = Truth()
        self.found: list[Violation] = []
        self.injected: list[Kind] = []
        self.dead: list[Dead] = []
        self.unarchived: list[tuple[str, int, str, str]] = []  # failed for good: code, file, name, run
        self.allowed = self.random.random() < 0.5
        takes = self.random.choices(TAKES, [8, 1, 1])[0] if self.noisy else "no"
        # By SFTP a client says that it closes a file; by FTP a broken upload looks like one that is done.
        self.takes: dict[str, Takes] = {} if takes == "no" else {"CASHIER": takes}
        if self.takes:
            self.trace.add("server of CASHIER", f"takes uploads away {takes}")
        world.random = self.part("offices at a moment")
        world.clear(same_name=self.random.random() < 0.5, takes=self.takes)
        self.system = LibrarySystem(world.folder, self.part("library"))
        # Round 0, which counts the acts of the stages, has partitions: they have more acts.
        partitioned = number % 2 == 0
        product.set_partitioned(partitioned=partitioned)
        self.trace.add("ledger", "closes and applies in partitions" if partitioned else "has one transaction a stage")

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
            replaced = [dead for dead in self.dead if dead.actor is actor]
            result = yield from attempt(self, Try(actor, name, number, call, fault))
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
        once = Try(actor, name, 1, call, fault)
        result = yield from attempt(self, once)
        for worker in once.workers:
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
                return connection.execute(query, values or None).fetchall()
        except psycopg.OperationalError:
            return []

    def violate(self, kind: str, what: str) -> None:
        """Takes note of something that must never happen."""
        self.found.append(Violation(kind, what))
        self.trace.add("VIOLATION", f"{kind}: {what}")

    def inject(self, who: str, fault: Fault) -> None:
        """Takes note of a fault that has struck."""
        self.injected.append(fault.kind)
        if fault.point is None:
            self.trace.add(who, fault.kind)

    def learn(self, name: str, worker: Worker) -> None:
        """Takes note of how many acts a stage has, while nothing goes wrong: in round 0."""
        if self.number:
            return
        counts = self.acts.setdefault(name, {})
        for kind in KINDS:
            counts[kind] = max(counts.get(kind, 0), sum(act.startswith(kind) for act in worker.acts))

    def check(self) -> None:
        """Makes the checks, once everything has ended."""
        folders = [self.world.folder / machine for machine in MACHINES]
        with self.world.database.connect() as connection:
            checks = Checks(connection, list(self.world.offices.values()), self.truth, folders)
            for violation in checks.run():
                self.violate(violation.kind, violation.what)
        self.tally.checks += checks.made

    def _tick(self) -> None:
        """Looks at all workers, and repairs what is due."""
        now = time.monotonic()
        self.world.repair_due()
        for dead in [one for one in self.dead if one.thaws <= now]:
            self.dead.remove(dead)
            if dead.actor.office and self.noisy:
                dead.actor.office.act(self.world.random)  # what it was about may be another thing by now
            dead.worker.thaw()
            self.trace.add(dead.actor.name, f"{dead.worker.name} goes on, although taken for dead")
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
        result = result_of(worker)
        self.trace.add(worker.name, str(result))
        if result.error and not result.ours:
            what = f"{worker.name}: {result.error}: {result.text}; last acts {worker.acts[-3:]}"
            self.violate("an error is not one of ours", what)
        if any(dead.worker is worker for dead in self.dead):
            self.dead = [dead for dead in self.dead if dead.worker is not worker]

    def _visit(self, random: Random) -> None:
        for office in self.world.offices.values():
            chance, is_idle = random.random(), len(office.waiting()) < MOST_WAITING
            if chance < 0.6:
                office.take()
            elif is_idle and chance < 0.7:
                office.pay(random)
            elif is_idle and chance < 0.73:
                office.repeat(random)
            elif is_idle and chance < 0.74:
                office.send_broken()
