"""The circulation desk and the loads from the library's system, and their known results."""

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Literal

from sqlalchemy import Connection, Engine, text

from bursar.airflow.connections import ledger_url
from bursar.db.engine import ledger_engine
from bursar.errors import LedgerError
from bursar.ledger import desk
from bursar.sources.csv.load import load as load_csv
from bursar.sources.load_types import SourceRules
from tests.campaign.workers import Reports, describe

LIBRARIES = ("MAIN", "LAW", "")
USERS_COLUMNS = ("primary_id", "last_name", "first_name", "user_group", "expiry_date", "purge_date", "identifier:02")
FINES_COLUMNS = (
    "fine_id",
    "primary_id",
    "fine_fee_type",
    "amount",
    "balance",
    "created_at",
    "owner_library",
    "reverses",
)
OPERATIONS = ("pay", "pay", "waive", "refund", "credit", "reverse_charge", "dispute", "settle_dispute")
Outcome = Literal["done", "refused", "unknown"]


@dataclass
class GroundTruth:
    """The known outcomes of desk operations by their comments, and the amounts of loaded fines by their ids."""

    operations: dict[str, tuple[str, Outcome]] = field(default_factory=dict)
    fines: dict[str, Decimal] = field(default_factory=dict)
    loaded: set[str] = field(default_factory=set)

    def add_reports(self, reports: list[Mapping[str, str]], planned: list[str]) -> None:
        """Adds the reports of a worker; a planned operation without a report is unknown."""
        for comment in planned:
            self.operations.setdefault(comment, ("", "unknown"))
        for report in reports:
            self.operations[report["comment"]] = (report["operation"], report["outcome"])  # type: ignore[assignment]


def work_at_desk(seed: str, comments: list[str], *, allowed: bool) -> Callable[[Reports], None]:
    """Returns the work of a process: one operation for each comment, each in its own transaction."""

    def work(reports: Reports) -> None:
        random = Random(seed)
        engine = ledger_engine(ledger_url())
        for comment in comments:
            operation = random.choice(OPERATIONS)
            choice, portion = random.random(), random.random()
            commits = reports.points.count["commit"]
            report = {"comment": comment, "operation": operation}
            try:
                _operate(engine, operation, comment, choice, portion, allowed=allowed)
            except LedgerError:
                reports.report(report | {"outcome": "refused"})
            except Exception as error:
                begun = reports.points.count["commit"] > commits
                reports.report(report | {"outcome": "unknown" if begun else "refused", **describe(error)})
                raise
            else:
                reports.report(report | {"outcome": "done"})

    return work


def _operate(engine: Engine, operation: str, comment: str, choice: float, portion: float, *, allowed: bool) -> None:
    with engine.begin() as connection:
        fines = connection.execute(text("SELECT id FROM fines ORDER BY id")).scalars().all()
        fine = fines[int(choice * len(fines))]
        amount = _part_of(connection, fine, portion)
        may: dict[str, Any] = {"allow_activity_on_transferred_finesfees": allowed, "by": "campaign"}
        match operation:
            case "pay":
                desk.pay(connection, fine, amount, comment, **may)
            case "waive":
                desk.waive(connection, fine, amount, comment, **may)
            case "refund":
                desk.refund(connection, fine, None, comment, **may)
            case "reverse_charge":
                desk.reverse_charge(connection, fine, None, comment)
            case "credit":
                user = connection.execute(text("SELECT user_id FROM fines WHERE id = :id"), {"id": fine}).scalar_one()
                sum_ = Decimal(1 + int(portion * 9))
                desk.credit(connection, user_id=user, amount=sum_, currency="USD", comment=comment)
            case "dispute":
                desk.dispute(connection, fine, comment)
            case "settle_dispute":
                desk.resolve_dispute(connection, fine, comment)


def _part_of(connection: Connection, fine: int, portion: float) -> Decimal | None:
    """Returns half of the open amount, or None for all of it."""
    if portion < 0.5:
        return None
    query = "SELECT greatest(abs(balance), outstanding) FROM fines WHERE id = :id"
    open_: Decimal = connection.execute(text(query), {"id": fine}).scalar_one()
    return (open_ / 2).quantize(Decimal("0.01")) or None


@dataclass
class LibrarySystem:
    """The library's system: its users and fines, which it writes as CSV files for a load."""

    folder: Path
    random: Random
    users: list[str] = field(default_factory=list)
    rows: dict[str, list[str]] = field(default_factory=dict)

    def add_users(self, count: int) -> None:
        """Adds users; some of them can be purged as soon as they owe nothing."""
        self.users += [f"user{len(self.users) + number}" for number in range(count)]

    def add_fines(self, count: int) -> None:
        """Adds charges, and sometimes a credit for an earlier one."""
        for _ in range(count):
            number = len(self.rows) + 1
            user, library = self.random.choice(self.users), self.random.choice(LIBRARIES)
            cents, is_credit = self.random.randrange(100, 5000), self.random.random() < 0.1
            amount = f"{'-' if is_credit else ''}{cents // 100}.{cents % 100:02}"
            kind = "CREDIT" if is_credit else self.random.choice(("OVERDUEFINE", "LOSTITEMREPLACEMENTFEE"))
            self.rows[f"F{number}"] = [f"F{number}", user, kind, amount, amount, "2026-01-05T10:00:00", library, ""]

    def pay_down(self, count: int) -> None:
        """Lowers the balance of some fines, as a payment in the library's system does."""
        for fine in self.random.sample(sorted(self.rows), min(count, len(self.rows))):
            row = self.rows[fine]
            row[4] = str((Decimal(row[4]) / 2).quantize(Decimal("0.01")))

    def amount(self, fine: str) -> Decimal:
        """Returns the amount of a fine."""
        return Decimal(self.rows[fine][3])

    def write(self, name: str) -> dict[str, Path]:
        """Writes the files of a load; returns them by their kind."""
        files = {kind: self.folder / f"{name}-{kind}.csv" for kind in ("groups", "libraries", "users", "fines")}
        purged = {user: "2026-01-01" if number % 4 == 0 else "" for number, user in enumerate(self.users)}
        tables: dict[str, list[list[str]]] = {
            "groups": [["code", "name"], ["STUDENT", "Students"]],
            "libraries": [["code", "id", "name"], ["MAIN", "1", "Main Library"], ["LAW", "2", "Law Library"]],
            "users": [
                list(USERS_COLUMNS),
                *([user, "Beaver", "Tim", "STUDENT", "", purged[user], f"id-{user}"] for user in self.users),
            ],
            "fines": [list(FINES_COLUMNS), *self.rows.values()],
        }
        for kind, path in files.items():
            with path.open("w", newline="") as file:
                csv.writer(file).writerows(tables[kind])
        return files


def load(files: Mapping[str, Any]) -> int:
    """Loads the files; returns how many fines were added."""
    rules = SourceRules(currency="USD", time_zone="America/New_York")
    return load_csv(ledger_engine(ledger_url()), rules, **files).counts.fines_added
