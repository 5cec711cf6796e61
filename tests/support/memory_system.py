"""A library's system in memory, whose calls fail in the ways that matter, and the source that reads it."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from bursar.errors import BursarError, TransientError
from bursar.sources.system import Answer, AnswerStatus, Confirm, Event, EventKind, Finding, Reading, confirm_alone
from bursar.sources.system_model import SystemSource
from tests.support.fault_injection import KillSwitch

START = datetime(2026, 3, 1, 8, tzinfo=UTC)
ALL_ON = dict.fromkeys((kind.value for kind in EventKind), "on")


class MemorySource(SystemSource):
    """The kind of the system in memory."""

    kind: Literal["memory"] = "memory"


def make_system_source(**changes: Any) -> MemorySource:
    """Makes a source of the system in memory that is informed of everything."""
    return MemorySource.model_validate(
        {
            "code": "TOWN",
            "name": "Town Library",
            "connection": "town_system",
            "owners": {"Central Desk": "MAIN", "none": "institution"},
            "fine_fee_types": {"Overdue": "OVERDUEFINE", "Lost": "LOSTITEM"},
            "write_back": ALL_ON,
            "schedule": "daily at 02:00",
            "currency": "USD",
            "time_zone": "America/New_York",
        }
        | changes
    )


@dataclass
class MemoryFine:
    """A fine as the system has it. `owner` and `type` are the system's own."""

    amount: Decimal
    balance: Decimal
    changed_at: datetime
    user: str = "7"
    owner: str = "Central Desk"
    type: str = "Overdue"


@dataclass
class MemorySystem:
    """A system with a clock of its own: an hour passes with each reading. It takes an event as often as it is written.

    `faults` has what the next writes do: `refuse` nothing and say so, `lose` the answer of what was done, or `drop` the
    event and answer as if it were lost. `switch` kills the worker at one of the calls. `is_down`: nothing is answered.
    `missing_name` says what the check of names complains of.
    """

    fines: dict[str, MemoryFine] = field(default_factory=dict)
    users: list[str] = field(default_factory=lambda: ["7"])
    primary_id: str = "reader"
    written: list[tuple[UUID, str, Decimal]] = field(default_factory=list)
    now: datetime = START
    faults: list[Literal["refuse", "lose", "drop"]] = field(default_factory=list)
    switch: KillSwitch = field(default_factory=KillSwitch)
    is_down: bool = False
    missing_name: str = ""
    readings: list[datetime | None] = field(default_factory=list)

    def charge(self, fine_id: str, amount: str, **values: Any) -> None:
        """Adds a fine."""
        self.fines[fine_id] = MemoryFine(Decimal(amount), Decimal(amount), self.now, **values)

    def change(self, fine_id: str, **values: Any) -> None:
        """Changes a fine, as its library does."""
        for name, value in (values | {"changed_at": self.now}).items():
            setattr(self.fines[fine_id], name, value)

    def read(self, since: datetime | None, folder: Path) -> Reading:
        """Writes the fines that changed, or all that are open, and the users."""
        self._answer()
        self.readings.append(since)
        read_at, self.now = self.now, self.now + timedelta(hours=1)
        fines = {
            id_: fine
            for id_, fine in self.fines.items()
            if (fine.balance > 0 if since is None else fine.changed_at >= since)
        }
        rows = [
            {
                "fine_id": id_,
                "user_id": fine.user,
                "fine_fee_type": fine.type,
                "owner_library": fine.owner,
                "amount": str(fine.amount),
                "balance": str(fine.balance),
                "created_at": "2026-01-01",
            }
            for id_, fine in fines.items()
        ]
        users = [
            {
                "user_id": user,
                "primary_id": f"{self.primary_id}{user}",
                "last_name": "Okonkwo",
                "first_name": "Ada",
                "user_group": "STUDENT",
                "expiry_date": "",
                "purge_date": "",
                "identifier:02": f"{self.primary_id}{user}",
            }
            for user in self.users
        ]
        columns = ["fine_id", "user_id", "fine_fee_type", "owner_library", "amount", "balance", "created_at"]
        files = {
            "groups": _write(folder / "groups.csv", ["code", "name"], [{"code": "STUDENT", "name": "Students"}]),
            "users": _write(folder / "users.csv", list(users[0]), users),
            "fines": _write(folder / "fines.csv", columns, rows),
        }
        return Reading(files=files, read_at=read_at, complete=since is None)

    def check_names(self) -> None:
        """Raises the error of a name that is missing, if there is one."""
        self._answer()
        if self.missing_name:
            raise BursarError(self.missing_name)

    def find(self, event: Event) -> Answer | None:
        """Returns what became of an event by its key."""
        return self.switch.act("find", self._find, event)  # type: ignore[no-any-return]

    def write(self, event: Event, confirm: Confirm = confirm_alone) -> Answer:
        """Takes off what is owed, at most the amount of the event."""
        confirm()
        return self.switch.act("write", self._write, event)  # type: ignore[no-any-return]

    def check(self) -> list[Finding]:
        """Finds nothing."""
        return []

    def count(self, fine_id: str) -> int:
        """Returns how often events about a fine were written."""
        return sum(one == fine_id for _, one, _ in self.written)

    def _find(self, event: Event) -> Answer | None:
        self._answer()
        for key, _, change in self.written:
            if key == event.key:
                return Answer(AnswerStatus.DONE, "found", change)
        return None

    def _write(self, event: Event) -> Answer:
        fault = self.faults.pop(0) if self.faults else None
        if fault == "refuse":
            return Answer(AnswerStatus.REFUSED, "the fine is closed")
        if fault == "drop":
            return Answer(AnswerStatus.UNKNOWN, "no answer")
        fine = self.fines[event.fine_id]
        change = -min(event.amount, fine.balance)
        self.change(event.fine_id, balance=fine.balance + change)
        self.written.append((event.key, event.fine_id, change))
        if fault == "lose":
            return Answer(AnswerStatus.UNKNOWN, "no answer")
        return Answer(AnswerStatus.DONE, "written", change)

    def _answer(self) -> None:
        if self.is_down:
            raise TransientError("the system can't be reached")


def _write(path: Path, columns: list[str], rows: Iterable[Mapping[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path
