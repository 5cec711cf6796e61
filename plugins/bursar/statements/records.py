"""The records of statements in the ledger: what was compared, and the outcomes."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row

from bursar.db.queries import query
from bursar.described_enum import DescribedEnum
from bursar.errors import LedgerNotFoundError
from bursar.ledger.totals import Amounts, read_amounts, sum_by_currency
from bursar.page_names import Page


class StatementOutcome(DescribedEnum):
    """The outcome of the comparison of a fine, or of the total of a user, in the order of reports."""

    DIFFERS = "DIFFERS", "another sum there than here"
    UNKNOWN_THERE = "UNKNOWN_THERE", "here, and not in the statement"
    UNKNOWN_HERE = "UNKNOWN_HERE", "in the statement, and not known here"
    INVALID = "INVALID", "a line that can't be read"
    PENDING = "PENDING", "a difference that something on its way can explain"
    AGREES = "AGREES", "the same sum there and here"


DIFFERENCES = (
    StatementOutcome.DIFFERS,
    StatementOutcome.UNKNOWN_THERE,
    StatementOutcome.UNKNOWN_HERE,
    StatementOutcome.INVALID,
)
"""The outcomes that a person has to look at."""


@dataclass(frozen=True)
class ComparedTotals:
    """The number of results with one outcome, and the sums of both sides by currency; "" is an unknown currency."""

    results: int
    ours: Amounts
    theirs: Amounts

    @property
    def difference(self) -> dict[str, Decimal]:
        """Theirs less ours, by currency, where they differ."""
        negative = {currency: -amount for currency, amount in self.ours.items()}
        return {currency: amount for currency, amount in sum_by_currency([self.theirs, negative]).items() if amount}


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A statement of a bursar that was compared, or rejected as a whole.

    `lists` is `open` or `billed`, `stated_at` the moment for which the statement counts. `outcomes` has the totals by
    outcome; None, with a `rejection`, if the file was rejected. All moments are aware, in UTC.
    """

    id: int
    profile: str
    run_id: str
    name: str
    size: int
    modified: datetime
    sha256: str
    layout: str
    lists: str
    of_users: bool
    stated_at: datetime
    lines: int | None
    users: int | None
    outcomes: Mapping[str, ComparedTotals] | None
    rejection: str | None
    registered_at: datetime
    compared_at: datetime | None
    archived_at: datetime | None
    archived_path: str | None
    warning: str | None

    @classmethod
    def from_row(cls, row: Row[Any]) -> "Statement":
        """Makes a statement of a row of the table."""
        values = {field.name: getattr(row, field.name) for field in fields(cls)}
        return cls(**values | {"outcomes": None if row.outcomes is None else _read_outcomes(row.outcomes)})

    @property
    def differences(self) -> int:
        """The number of results that a person has to look at."""
        outcomes = self.outcomes or {}
        return sum(outcomes[outcome].results for outcome in DIFFERENCES if outcome in outcomes)

    @property
    def ours(self) -> dict[str, Decimal]:
        """The sums of this ledger, by currency."""
        return sum_by_currency(one.ours for one in (self.outcomes or {}).values())

    @property
    def theirs(self) -> dict[str, Decimal]:
        """The sums of the statement, by currency."""
        return sum_by_currency(one.theirs for one in (self.outcomes or {}).values())

    @property
    def results(self) -> int:
        """The number of all results."""
        return sum(one.results for one in (self.outcomes or {}).values())

    @property
    def result(self) -> str:
        """What the comparison has found, in a word."""
        if self.rejection:
            return "rejected"
        return "differs" if self.differences else "agrees"

    @property
    def subject(self) -> str:
        """What a result is about: `fine` or `user`."""
        return "user" if self.of_users else "fine"


def get_statement(connection: Connection, statement_id: int) -> Statement:
    """Returns a statement.

    Raises:
        LedgerNotFoundError: there is none with this number.
    """
    row = connection.execute(query("statements/get_statement"), {"statement_id": statement_id}).first()
    if row is None:
        raise LedgerNotFoundError(
            f"There is no statement {statement_id}. Old ones are deleted with the reports of their runs. "
            f"{Page.STATEMENTS} lists those there are (`bin/bursar statements list`)."
        )
    return Statement.from_row(row)


def find_statement(connection: Connection, profile: str, run_id: str, name: str) -> Statement | None:
    """Returns the statement of a name that a run has compared or rejected; None if it has not yet."""
    of_run = {"profile": profile, "run_id": run_id, "name": name}
    row = connection.execute(query("statements/get_statement_of_run"), of_run).first()
    return Statement.from_row(row) if row else None


def list_statements_of_run(connection: Connection, profile: str, run_id: str) -> list[Statement]:
    """Returns the statements of a run, in their order."""
    rows = connection.execute(query("statements/list_statements_of_run"), {"profile": profile, "run_id": run_id})
    return [Statement.from_row(row) for row in rows]


def _read_outcomes(stored: Mapping[str, Any]) -> dict[str, ComparedTotals]:
    return StatementOutcome.sort(
        {
            name: ComparedTotals(one["results"], read_amounts(one["ours"]), read_amounts(one["theirs"]))
            for name, one in stored.items()
        }
    )
