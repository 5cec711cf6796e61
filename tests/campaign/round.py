"""A round: some days of a library with two bursars, with faults; then everything is completed and checked."""

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
from tests.campaign.attempts import AbandonedWorker, Actor, Attempt, Call, result_of, run_attempt
from tests.campaign.checks import Checks
from tests.campaign.desk import GroundTruth, LibrarySystem
from tests.campaign.faults import WEIGHTS, Fault, Kind, draw
from tests.campaign.inject import ABANDONED_KINDS
from tests.campaign.points import KINDS, PointKind
from tests.campaign.report import Tally, Trace, Violation
from tests.campaign.servers import Collects
from tests.campaign.workers import Result, Worker
from tests.campaign.world import MACHINES, World

Steps = Generator[None, None, None]
ActCounts = dict[str, dict[PointKind, int]]
STUCK_AFTER_SECONDS = 60
"""Several times as long as a stage takes whose every wait ends by its limit, on a machine that has other work."""
MAX_WAITING_FILES = 2
DIRECT = 0.3
"""The chance that a profile uploads directly."""
APART = 0.5
"""The chance that a profile exports charges and credits in two files."""
COLLECTS: tuple[Collects, ...] = ("no", "immediately", "after a moment")
TRIES, TRIES_WITH_FAULTS, FAULT_RATE = 6, 4, 0.85


class Round:
    """One round of a campaign; the same seed and number give the same faults. Round 0 has no faults."""

    def __init__(self, world: World, seed: int, number: int, tally: Tally, acts: ActCounts) -> None:
        self.world, self.seed, self.number, self.tally = world, seed, number, tally
        self.acts = acts
        self.random = self.random_for("round")
        self.has_faults = number > 0
        self.trace = Trace()
        self.truth = GroundTruth()
        self.found: list[Violation] = []
        self.injected: list[Kind] = []
        self.abandoned: list[AbandonedWorker] = []
        self.unarchived: list[tuple[str, int, str, str]] = []  # not archived after all tries: code, file, name, run
        self.allowed = self.random.random() < 0.5
        collects = self.random.choices(COLLECTS, [8, 1, 1])[0] if self.has_faults else "no"
        # By SFTP a client closes a file explicitly; by FTP an interrupted upload looks like a complete one.
        self.collects: dict[str, Collects] = {} if collects == "no" else {"CASHIER": collects}
        if self.collects:
            self.trace.add("server of CASHIER", f"collects uploads away {collects}")
        self.uploads = self._draw_direct_uploads() if self.has_faults else {}
        self.layouts = self._draw_layouts()
        for code, layout in self.layouts.items():
            self.trace.add(f"profile {code}", f"exports in the layout {layout}")
        for code, section in self.uploads.items():
            self.trace.add(f"profile {code}", f"uploads {section}")
        world.random = self.random_for("bursars at a moment")
        world.clear(same_name=self.random.random() < 0.5, collects=self.collects, direct=self.uploads)
        self.system = LibrarySystem(world.folder, self.random_for("library"))
        # Round 0, which counts the acts of the stages, has partitions: they have more acts.
        partitioned = number % 2 == 0
        product.set_partitioned(partitioned=partitioned)
        self.trace.add("ledger", "closes and applies in partitions" if partitioned else "has one transaction a stage")

    def _draw_direct_uploads(self) -> dict[str, dict[str, object]]:
        """Draws the profiles that upload directly, and whether those of a collecting server say that it collects."""
        return {
            code: {"method": "direct", "collected_immediately": code in self.collects and self.random.random() < 0.5}
            for code in self.world.servers
            if self.random.random() < DIRECT
        }

    def _draw_layouts(self) -> dict[str, str]:
        """Draws the profiles that export in two files. Behind them is an empty one, unless the server renames files."""
        return {
            code: "apart" if code in self.collects else self.random.choice(("apart", "apart_with_done_file"))
            for code in self.world.servers
            if self.random.random() < APART
        }

    def random_for(self, name: str) -> Random:
        """Returns the random numbers that belong to a name."""
        return Random(f"{self.seed}/{self.number}/{name}")

    def actor(self, name: str, code: str | None = None, faults: Mapping[Kind, int] = WEIGHTS) -> Actor:
        """Creates an actor."""
        # A server that collects uploads passes the part of an abandoned worker on, and the file of a direct upload has
        # its final name from the first byte. Bursar can't prevent this; it reports it (see `exports.upload_conflict`).
        if self.collects or code in self.uploads:
            faults = {kind: weight for kind, weight in faults.items() if kind not in ABANDONED_KINDS}
        return Actor(name, self.random_for(name), self.world.bursars[code] if code else None, faults)

    def run_actors(self, *actors: Iterator[None], bursar: Random | None = None) -> None:
        """Runs actors until all have ended; meanwhile bursars collect files and write payments at random moments."""
        active, next_visit = list(actors), time.monotonic()
        while active or self.world.workers:
            for actor in list(active):
                try:
                    next(actor)
                except StopIteration:
                    active.remove(actor)
            self._poll()
            if bursar and time.monotonic() >= next_visit:
                self._visit(bursar)
                next_visit = time.monotonic() + bursar.uniform(0.02, 0.3)
            time.sleep(0.002)

    def stage(self, actor: Actor, name: str, call: Call) -> Generator[None, None, Result]:
        """Runs a stage as Airflow does: it is retried unless a person has to act. The first tries have faults."""
        result = Result(killed=True)
        for number in range(1, TRIES + 1):
            fault = None
            if self.has_faults and number <= TRIES_WITH_FAULTS and actor.random.random() < FAULT_RATE:
                fault = draw(actor.random, name, self.acts, allowed=actor.faults)
            replaced = [abandoned for abandoned in self.abandoned if abandoned.actor is actor]
            result = yield from run_attempt(self, Attempt(actor, name, number, call, fault))
            for abandoned in replaced:
                abandoned.resumes_at = 0
            if result.ok or result.needs_person:
                break
            yield from self.wait(0.01 if self.has_faults else 0.2)
        return result

    def command(
        self, actor: Actor, name: str, call: Call, add_reports: Callable[[list[Any]], None]
    ) -> Generator[None, None, Result]:
        """Runs a command once, as a person does, and passes on its reports, however it ended."""
        fault = draw(actor.random, name, self.acts, allowed=actor.faults) if self.has_faults else None
        once = Attempt(actor, name, 1, call, fault)
        result = yield from run_attempt(self, once)
        for worker in once.workers:
            add_reports(worker.reports)
        return result

    def engine(self) -> Engine:
        """Returns an engine of the ledger with the role of the DAGs. It must not be open while workers are forked."""
        return ledger_engine(ledger_url())

    def wait(self, seconds: float) -> Generator[None, None, None]:
        """Waits while the other actors run."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            yield

    def rows(self, query: str, *values: object) -> list[Any]:
        """Returns rows of the ledger; none while it is down."""
        try:
            with self.world.database.connect() as connection:
                return connection.execute(query, values or None).fetchall()
        except psycopg.OperationalError:
            return []

    def add_violation(self, kind: str, details: str) -> None:
        """Adds a violation."""
        self.found.append(Violation(kind, details))
        self.trace.add("VIOLATION", f"{kind}: {details}")

    def record_fault(self, actor: str, fault: Fault) -> None:
        """Records a fault that has been injected."""
        self.injected.append(fault.kind)
        if fault.point is None:
            self.trace.add(actor, fault.kind)

    def count_acts(self, name: str, worker: Worker) -> None:
        """Counts the acts of a stage without faults: in round 0."""
        if self.number:
            return
        counts = self.acts.setdefault(name, {})
        for kind in KINDS:
            counts[kind] = max(counts.get(kind, 0), sum(act.startswith(kind) for act in worker.acts))

    def check(self) -> None:
        """Runs the checks, after everything has ended."""
        folders = [self.world.folder / machine for machine in MACHINES]
        with self.world.database.connect() as connection:
            checks = Checks(connection, list(self.world.bursars.values()), self.truth, folders)
            for violation in checks.run():
                self.add_violation(violation.kind, violation.details)
        self.tally.checks += checks.count

    def _poll(self) -> None:
        """Polls all workers, and makes the repairs that are due."""
        now = time.monotonic()
        self.world.repair_due()
        for abandoned in [one for one in self.abandoned if one.resumes_at <= now]:
            self.abandoned.remove(abandoned)
            if abandoned.actor.bursar and self.has_faults:
                abandoned.actor.bursar.act(self.world.random)  # the server has other files by now
            abandoned.worker.thaw()
            self.trace.add(abandoned.actor.name, f"{abandoned.worker.name} continues, although Airflow gave up on it")
        for worker in list(self.world.workers):
            worker.poll()
            if worker.result:
                self.world.workers.remove(worker)
                self._record_result(worker)
            elif not worker.frozen and now - worker.started > STUCK_AFTER_SECONDS:
                self.add_violation("a stage is stuck", f"{worker.name}, after {worker.acts[-1:]}: {worker.stack()}")
                worker.started = now
                worker.signal(signal.SIGKILL)

    def _record_result(self, worker: Worker) -> None:
        result = result_of(worker)
        self.trace.add(worker.name, str(result))
        if result.error and not result.is_bursar_error:
            what = f"{worker.name}: {result.error}: {result.text}; last acts {worker.acts[-3:]}"
            self.add_violation("an error is not one of Bursar", what)
        if any(abandoned.worker is worker for abandoned in self.abandoned):
            self.abandoned = [abandoned for abandoned in self.abandoned if abandoned.worker is not worker]

    def _visit(self, random: Random) -> None:
        for bursar in self.world.bursars.values():
            chance, is_idle = random.random(), len(bursar.waiting()) < MAX_WAITING_FILES
            if chance < 0.6:
                bursar.collect_files()
            elif is_idle and chance < 0.7:
                bursar.pay(random)
            elif is_idle and chance < 0.73:
                bursar.repeat(random)
            elif is_idle and chance < 0.74:
                bursar.send_broken()
