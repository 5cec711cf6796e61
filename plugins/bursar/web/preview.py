"""A preview of an export: the fines that it would take and skip, evaluated in a transaction that is rolled back."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, text

from bursar.errors import BursarError
from bursar.exports.selection import FineDecision, evaluate_fines, list_decisions
from bursar.ledger.totals import SelectionSummary
from bursar.moments import parse_moment
from bursar.profiles import Profile
from bursar.reporting.run_description import describe_reason
from bursar.web.views import PART_TIMEOUT

COLUMNS = (*(one.name for one in fields(FineDecision)), "words")


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
        connection.execute(text(f"SET LOCAL statement_timeout = '{PART_TIMEOUT}'"))
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


def list_all(engine: Engine, profile: Profile, as_of: datetime) -> Iterator[Sequence[object]]:
    """Yields every decision of a preview as the cells of `COLUMNS`, in flat memory; the first cell evaluates all."""
    with evaluate(engine, profile, as_of) as evaluation:
        for decision in list_decisions(evaluation.connection):
            yield (*astuple(decision), describe_reason(decision.reason) if decision.reason else "exported")
