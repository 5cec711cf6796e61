"""A round: days of a library whose system is read, and informed of what happened, with faults; then all is checked."""

import signal
import time
from pathlib import Path
from random import Random
from typing import Any

from bursar.sources.outbox_events import list_events
from tests.campaign.database import Database
from tests.campaign.report import Tally, Trace, Violation
from tests.campaign.systems import faults
from tests.campaign.systems.checks import Checks
from tests.campaign.systems.faults import Fault, draw
from tests.campaign.systems.people import People, list_facts, make_engine
from tests.campaign.systems.server import Kind, SystemServer
from tests.campaign.systems.sync import REPEAT_AFTER_SECONDS, Sync, make_source
from tests.campaign.workers import Result, Worker, fork

STUCK_AFTER_SECONDS = 60
MAX_ROUND_SECONDS = 1200
DAYS, ATTEMPTS = (4, 6), (2, 4)
TRIES = 4
"""How often a run without a fault is tried: the machine may be too busy to answer in time."""
FAULT_RATE = 0.6
"""The chance that a reading has a fault; each run that only writes has one."""


class Round:
    """One round of a campaign; the same seed and number give the same plan."""

    def __init__(self, folder: Path, database: Database, kind: Kind, seed: int, number: int, tally: Tally) -> None:
        self.folder, self.database, self.kind, self.tally = folder, database, kind, tally
        self.random = Random(f"{seed}/{number}/systems")
        self.trace = Trace()
        self.found: list[Violation] = []
        self.injected: list[str] = []
        self.workers: list[Worker] = []
        self.day = 0
        self.reads = True
        database.clear()
        self.closes_when = self.random.choice(("handed_over", "handed_over", "paid"))
        self.overlap = self.random.choice((0, 60))
        self.source = make_source(kind, closes_when=self.closes_when, overlap_minutes=self.overlap)
        self.server = SystemServer(kind, folder)
        self.people = People(self.server, self.random, self.trace)
        self.trace.add("source", f"{kind}, closes fines when {self.closes_when}, overlap {self.overlap}")

    def run(self) -> list[Violation]:
        """Runs the round; returns its violations."""
        try:
            self.people.charge(30)
            for day in range(self.random.randint(*DAYS)):
                self._run_day(f"day {day}")
            self._come_to_rest()
            self._check()
        finally:
            for worker in self.workers:
                worker.signal(signal.SIGKILL)
            self.server.end()
        return self.found

    def _run_day(self, name: str) -> None:
        """Reads the system, and writes into it several times, while people act."""
        self.day += self.random.random() < 0.2
        self.reads = True
        if self.random.random() < FAULT_RATE:
            self._run_with_fault(f"{name}, reading")
        else:
            self._complete_run(f"{name}, reading")
        self.people.export()
        self.reads = False
        for attempt in range(self.random.randint(*ATTEMPTS)):
            for _ in range(self.random.randint(0, 2)):
                self.people.act()
            self._run_with_fault(f"{name}, attempt {attempt}")
        self.people.charge(self.random.randint(10, 20))

    def _start(self, name: str, point: Any = None) -> Worker:
        self.tally.stages += 1
        sync = Sync(self.kind, self.server.url, self.source, self.folder / "work", self.day, self.reads)
        worker = fork(name, lambda _: sync.run(), point=point, log=self.folder / "workers.log")
        self.workers.append(worker)
        return worker

    def _wait(self, worker: Worker, *, until_paused: bool = False) -> Result | None:
        """Waits until a worker has ended, or is paused."""
        while worker.result is None:
            worker.poll()
            if until_paused and worker.paused_at:
                return None
            if time.monotonic() - worker.started > STUCK_AFTER_SECONDS:
                self._add_violation("a run is stuck", f"{worker.name}, after {worker.acts[-1:]}: {worker.stack()}")
                worker.signal(signal.SIGKILL)
                worker.started = time.monotonic()
            time.sleep(0.002)
        if worker in self.workers:
            self.workers.remove(worker)
            self.trace.add(worker.name, str(worker.result))
            result = worker.result
            if result.error and not result.is_bursar_error:
                self._add_violation("an error is not one of Bursar", f"{worker.name}: {result}; {worker.acts[-3:]}")
            if result.needs_person:
                self._add_violation("a run fails for good", f"{worker.name}: {result}; {worker.acts[-3:]}")
        return worker.result

    def _complete_run(self, name: str) -> str:
        """Runs without faults; returns what became of the events."""
        for _ in range(TRIES):
            result = self._wait(self._start(name))
            assert result
            if result.ok:
                return str(result.value)
        self._add_violation("a run without faults fails", f"{name}: {result}")
        return ""

    def _run_with_fault(self, name: str) -> None:
        fault = draw(self.random, self.kind, due=self._count_due(), reads=self.reads)
        if fault.point is None:
            self._run_with_lasting_fault(name, fault)
        else:
            self._run_with_fault_at_point(name, fault)
        self.server.start_gateway()

    def _run_with_lasting_fault(self, name: str, fault: Fault) -> None:
        self.trace.add(name, str(fault))
        if fault.kind == faults.TWINS:
            twins = [self._start(f"{name}, writer {number}") for number in (1, 2)]
            for twin in twins:
                self._wait(twin)
            self.injected.append(fault.kind)
        elif fault.kind == faults.REFUSES:
            self.server.kill_gateway()
            self._wait(self._start(name))
            self.injected.append(fault.kind)
        else:
            act = self.random.choices(("pay", "waive", "return"), [6, 2, 1])[0]
            self.server.order("arm", fault.of_calls, act, self.random.choice((0.4, 1)))
            self._wait(self._start(name))
            injected = self.server.order("disarm")
            self.injected += injected
            self.trace.add(name, f"its calls had {injected}")

    def _run_with_fault_at_point(self, name: str, fault: Fault) -> None:
        worker = self._start(name, fault.point)
        if self._wait(worker, until_paused=True):
            return
        self.trace.add(name, f"{worker.paused_at}: {fault.kind}, {fault.seconds:.2f} s")
        self.injected.append(fault.kind)
        match fault.kind:
            case faults.KILLED:
                worker.signal(signal.SIGKILL)
            case faults.KILLED_DURING:
                self.server.order("hold", 0.15)
                worker.resume()
                time.sleep(fault.seconds)
                worker.signal(signal.SIGKILL)
                self._wait(worker)
                time.sleep(0.2)  # the server carries the request out all the same
                self.server.order("disarm")
            case faults.ABANDONED | faults.ABANDONED_ALONE:
                self._abandon(name, fault, worker)
            case faults.TERMINATED | faults.LOCK:
                self.database.terminate(worker.backends, only_locks=fault.kind == faults.LOCK)
                worker.resume()
            case faults.PEOPLE:
                for _ in range(3):
                    self.people.act()
                worker.resume()
            case _:
                self._disturb_server(fault, worker)
        self._wait(worker)

    def _disturb_server(self, fault: Fault, worker: Worker) -> None:
        match fault.kind:
            case faults.EXPIRED:
                self.server.order("expire", refresh_too=fault.is_long)
            case faults.RESTARTED:
                self.server.kill_gateway()
            case faults.FROZEN:
                self.server.freeze_gateway()
        worker.resume()
        if fault.kind == faults.RESTARTED:
            time.sleep(fault.seconds)
            self.server.start_gateway()

    def _abandon(self, name: str, fault: Fault, worker: Worker) -> None:
        """Freezes a worker while others run, and continues it.

        It may be frozen for long, but not between its last look at the lock and the call, which nothing can prevent.
        """
        assert fault.point
        worker.freeze()
        if fault.kind == faults.ABANDONED_ALONE:
            self.database.terminate(worker.backends)
        is_sending = (fault.point.kind, fault.point.side) == ("call", "before")
        until = time.monotonic() + (0 if is_sending else REPEAT_AFTER_SECONDS + 0.3)
        replacement = self._start(f"{name}, its replacement")
        if fault.is_long:
            self._wait(replacement)
            for _ in range(2):
                self.people.act()
            time.sleep(max(0, until - time.monotonic()))
            self._wait(self._start(f"{name}, its second replacement"))
            worker.thaw()
        else:
            time.sleep(fault.seconds)
            worker.thaw()
            self._wait(replacement)

    def _come_to_rest(self) -> None:
        """Runs without faults until nothing moves any more, and once more."""
        self.reads = False
        before: tuple[Any, ...] = ()
        while self._complete_run("the rest").endswith("waiting") or self._state() != before:
            before = self._state()
            time.sleep(1)
            assert time.monotonic() - self.trace.began < MAX_ROUND_SECONDS, "there is always something to write"
        self.reads = True
        self.day += 1
        self._complete_run("the last reading but one")
        before = self._state()
        self._complete_run("the last reading")
        self.tally.checks += 1
        if self._state() != before:
            self._add_violation("the next reading changes something", f"{before} {self._state()}")

    def _check(self) -> None:
        engine = make_engine()
        with engine.connect() as connection:
            keys = {event.id: str(event.key) for event in list_events(connection)}
        engine.dispose()
        with self.database.connect() as connection:
            checks = Checks(connection, list_facts(self.server), self.server.order("count_keys"), keys)
            for violation in checks.run():
                self._add_violation(violation.kind, violation.details)
        self.tally.checks += checks.count

    def _count_due(self) -> int:
        """Returns how many events the next run writes, at least about."""
        with self.database.connect() as connection:
            row = connection.execute(
                "SELECT (SELECT count(*) FROM outbox_events WHERE state = 'pending')"
                " + (SELECT count(*) FROM journal_entries JOIN fines ON fines.id = fine_id"
                "    WHERE load_id IS NULL AND source_id IS NOT NULL AND (entry_type IN ('EXPORTED', 'WAIVED', 'PAID')"
                "          OR entry_type = 'PAID_AT_BURSAR' AND %s)"
                "    AND NOT EXISTS (SELECT FROM outbox_events WHERE entry_id = journal_entries.id))",
                [self.closes_when == "paid"],
            ).fetchone()
        return int(row[0]) if row else 0

    def _state(self) -> tuple[Any, ...]:
        with self.database.connect() as connection:
            return (
                connection.execute(
                    "SELECT (SELECT count(*) FROM journal_entries), (SELECT count(*) FROM fines),"
                    " (SELECT string_agg(state || balance_change, ',' ORDER BY id) FROM outbox_events),"
                    " (SELECT string_agg(source_balance::text, ',' ORDER BY id) FROM fines)"
                ).fetchone()
                or ()
            )

    def _add_violation(self, kind: str, details: str) -> None:
        self.found.append(Violation(kind, details))
        self.trace.add("VIOLATION", f"{kind}: {details}")
