"""A preview of an export: the fines that it would take and skip, evaluated in a transaction that is rolled back."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from itertools import islice

from sqlalchemy import Connection, Engine, text

from bursar.airflow.profile_store import find_credits_of
from bursar.errors import BursarError
from bursar.exports.selection import MAX_ID, FineDecision, evaluate_fines, list_decisions
from bursar.ledger.totals import SelectionSummary
from bursar.moments import parse_moment
from bursar.profiles import Profile
from bursar.reporting.run_description import describe_reason
from bursar.web import views
from bursar.web.accesses import record_access
from bursar.web.rights import Person
from bursar.web.views import PART_TIMEOUT

COLUMNS = (*(one.name for one in fields(FineDecision)), "words")
ROWS_AT_ONCE = 1_000


@dataclass(frozen=True)
class Evaluation:
    """The totals of an evaluation, and its decisions while its transaction is open."""

    connection: Connection
    profile: Profile
    summary: SelectionSummary

    def list_decisions(self, person: Person, *, limit: int = MAX_ID) -> Iterator[FineDecision]:
        """Yields the decisions whose names a person may see, at most `limit` for each reason."""
        if person.may_see_names(self.profile.code):
            visible = {None, *person.list_visible_reasons(self.profile.code)}
            yield from (one for one in list_decisions(self.connection, limit=limit) if one.reason in visible)


@contextmanager
def evaluate(engine: Engine, profile: Profile, as_of: datetime) -> Iterator[Evaluation]:
    """Evaluates all fines of a ledger for an export of a profile; changes nothing.

    Raises:
        BursarError: it takes too long, or the ledger can't be reached.
    """
    profile = find_credits_of(views.settings(), profile, get_engine=lambda: engine)
    with engine.connect() as connection:
        connection.execute(text(f"SET LOCAL statement_timeout = '{PART_TIMEOUT}'"))
        yield Evaluation(connection, profile, evaluate_fines(connection, profile, as_of))


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


def list_all(engine: Engine, profile: Profile, as_of: datetime, person: Person) -> Iterator[Sequence[object]]:
    """Yields every decision that a person may see as the cells of `COLUMNS`, in flat memory; the first evaluates all.

    The accesses to the names are recorded.
    """
    with evaluate(engine, profile, as_of) as evaluation:
        decisions = evaluation.list_decisions(person)
        while block := list(islice(decisions, ROWS_AT_ONCE)):
            record_access(person, (one.user_id for one in block))
            for one in block:
                yield (*astuple(one), describe_reason(one.reason) if one.reason else "exported")
