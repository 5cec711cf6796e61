"""The identifier pattern of a profile: PostgreSQL uses it, and says whether it is valid."""

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg.errors import InvalidRegularExpression
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from bursar.db.queries import query
from bursar.errors import BursarError
from bursar.profiles import Profile


def pattern_error(connection: Connection, pattern: str) -> str | None:
    """Returns why PostgreSQL does not accept a pattern, or None if it does."""
    try:
        with connection.begin_nested():
            _compile_pattern(connection, pattern)
    except DBAPIError as error:
        if reason := _reason(error):
            return reason
        raise
    return None


@contextmanager
def translate_pattern_errors(connection: Connection, profile: Profile) -> Iterator[None]:
    """Checks a profile's pattern, also where no identifier is there to be matched with it, before the block is run.

    Raises:
        BursarError: PostgreSQL does not accept the pattern; the transaction has failed.
    """
    pattern = profile.export.identifier_pattern
    try:
        if pattern is not None:
            _compile_pattern(connection, pattern)
        yield
    except DBAPIError as error:
        if reason := _reason(error):
            raise BursarError(
                f"Profile {profile.code}: export.identifier_pattern {pattern!r} is not valid: {reason}. Nothing was "
                "selected. Correct the pattern in the profile (`bin/bursar profiles check` names file and line)."
            ) from error
        raise


def _compile_pattern(connection: Connection, pattern: str) -> None:
    connection.execute(query("exports/check_identifier_pattern"), {"identifier_pattern": pattern})


def _reason(error: DBAPIError) -> str | None:
    if isinstance(error.orig, InvalidRegularExpression):
        return f"PostgreSQL reports {error.orig.diag.message_primary!r}"
    return None
