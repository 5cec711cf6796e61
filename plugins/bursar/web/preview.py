"""A preview of an export: the fines that it would take and skip, evaluated in a transaction that is rolled back."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from io import StringIO

from sqlalchemy import Connection, Engine, text

from bursar.errors import BursarError
from bursar.exports.selection import FineDecision, evaluate_fines, list_decisions
from bursar.imports.rejects import escape_formula
from bursar.ledger.totals import SelectionSummary
from bursar.moments import parse_moment
from bursar.profiles import Profile
from bursar.reporting.run_description import describe_reason

PREVIEW_TIMEOUT = "60s"
"""PostgreSQL ends a statement of a preview after this time."""
_ROWS_PER_BLOCK = 500


@dataclass(frozen=True)
class Evaluation:
    """The totals of an evaluation, and its decisions while its transaction is open."""

    connection: Connection
    summary: SelectionSummary

    def list_decisions(self, *, limit: int) -> Iterator[FineDecision]:
        """Yields the decisions, at most `limit` for each reason."""
        return list_decisions(self.connection, limit=limit)


@contextmanager
def evaluate(engine: Engine, profile: Profile, as_of: datetime) -> Iterator[Evaluation]:
    """Evaluates all fines of a ledger for an export of a profile; changes nothing.

    Raises:
        BursarError: it takes too long, or the ledger can't be reached.
    """
    with engine.connect() as connection:
        connection.execute(text(f"SET LOCAL statement_timeout = '{PREVIEW_TIMEOUT}'"))
        yield Evaluation(connection, evaluate_fines(connection, profile, as_of))


def parse_as_of(value: str, time_zone: str) -> datetime:
    """Returns the moment of a field *As of*; blank is now.

    Raises:
        BursarError: it is no moment, or in the future.
    """
    now = datetime.now(UTC)
    moment = parse_moment(value, time_zone) if value.strip() else now
    if moment > now:
        raise BursarError("The moment is in the future. Give one in the past, or leave the field blank.")
    return moment


def write_csv(engine: Engine, profile: Profile, as_of: datetime) -> Iterator[str]:
    """Yields every decision of a preview as CSV, in flat memory; a value that looks like a formula is escaped."""
    buffer = StringIO(newline="")
    writer = csv.writer(buffer)
    with evaluate(engine, profile, as_of) as evaluation:
        buffer.write("\ufeff")  # by which spreadsheets recognise UTF-8
        writer.writerow([*(one.name for one in fields(FineDecision)), "words"])
        for number, decision in enumerate(list_decisions(evaluation.connection)):
            words = describe_reason(decision.reason) if decision.reason else "exported"
            writer.writerow([escape_formula(value) for value in (*astuple(decision), words)])
            if number % _ROWS_PER_BLOCK == 0:
                yield buffer.getvalue()
                buffer.seek(0)
                buffer.truncate()
    yield buffer.getvalue()
