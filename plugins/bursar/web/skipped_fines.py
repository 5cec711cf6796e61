"""The fines that an export skips for a reason, found by the rules of the selection, a part of the users at a time.

The ledger keeps the numbers and sums of the skipped fines of each export, not the fines. So the rules are asked again,
with the age that a fine had then, about the fines of today.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any

from sqlalchemy import Connection, Row

from bursar.airflow.profile_store import find_credits_of
from bursar.db.queries import query
from bursar.exports.selection import MAX_ID, fill_candidates
from bursar.profiles import Profile
from bursar.web import views
from bursar.web.views import PAGE_TIMEOUT

FINES_AT_ONCE = 2_000
SECONDS_OF_A_PAGE = 0.15
"""A page looks no longer for fines, once it has looked at FINES_AT_ONCE; the next one goes on."""


@dataclass(frozen=True)
class Place:
    """A place in the order of users and their fines, by the ids: a page begins after it."""

    user: int = 0
    fine: int = 0


def list_skipped(
    profile: Profile, as_of: datetime, reason: str, after: Place, *, limit: int
) -> tuple[list[Row[Any]], Place | None]:
    """Returns at most `limit` skipped fines, and the place after which to go on, or None if all were looked at.

    The list may be short, or empty, although others follow.

    Raises:
        BursarError: the identifier pattern of the profile is not valid.
    """
    found: list[Row[Any]] = []
    profile = find_credits_of(views.settings(), profile, get_engine=views.engine)
    deadline = monotonic() + SECONDS_OF_A_PAGE
    while True:
        rows, last_user = _look(profile, as_of, reason, after, limit - len(found) + 1)
        if len(found) + len(rows) > limit:
            found += rows[: limit - len(found)]
            return found, Place(found[-1].user_id, found[-1].fine_id)
        found += rows
        if last_user is None:
            return found, None
        after = Place(last_user, MAX_ID)
        if monotonic() > deadline:
            return found, after


def _look(
    profile: Profile, as_of: datetime, reason: str, after: Place, limit: int
) -> tuple[list[Row[Any]], int | None]:
    """Returns skipped fines of the next users, and the last of these users, None if there are no others."""
    with _try_out() as connection:
        first_user = after.user + 1 if after.fine == MAX_ID else after.user
        of_users = {"first": first_user, "fines": FINES_AT_ONCE}
        last_user: int | None = connection.execute(query("web/find_end_of_users"), of_users).scalar()
        fill_candidates(connection, profile, as_of, first_user=first_user, last_user=last_user or MAX_ID)
        of_reason = {"reason": reason, "after_user": after.user, "after_fine": after.fine, "limit": limit}
        return list(connection.execute(query("web/list_skipped_candidates"), of_reason)), last_user


@contextmanager
def _try_out() -> Iterator[Connection]:
    """Yields a connection that may create temporary tables; its transaction is rolled back."""
    with views.engine().connect() as connection:
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{PAGE_TIMEOUT}'")
        yield connection
