"""What is accepted means the same to PostgreSQL, which evaluates it."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from bursar.profiles.identifier_pattern import checked_pattern

MATCHES = text("SELECT :value ~ ('^(?:' || CAST(:pattern AS text) || ')$')")


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        (r"\d{8}", "00123456", "0012345"),
        (r"[A-Z]\d{7}", "N0012345", "n0012345"),
        (r"(N|S)\d+", "S1", "X1"),
        (r"(?:N|S)?\d{2,5}", "12345", "123456"),
        (r"^\d{8}$", "12345678", "123456789"),
        (r"[^\d-]+", "abc", "a-c"),
        (r"[\w.-]+@[a-z]+\.edu", "jane.doe-2@asu.edu", "jane@asuxedu"),
        (r"\w+?\.\w*?", "a.b", "ab"),
        (r"N\-\{\d\}", "N-{7}", "N7"),
        (r"a|b|", "", "c"),
    ],
)
def test_the_database_reads_a_pattern_as_it_is_meant(ledger: Engine, pattern: str, yes: str, no: str) -> None:
    assert checked_pattern(pattern) == pattern

    with ledger.connect() as connection:
        assert connection.scalar(MATCHES, {"value": yes, "pattern": pattern}) is True
        assert connection.scalar(MATCHES, {"value": no, "pattern": pattern}) is False


def test_whatever_is_accepted_the_database_takes_and_matches_alike(ledger: Engine) -> None:
    signs = st.sampled_from(
        [*r"ab1\dws()[]{}*+?|^$.,:!=<>-P&~#/ '", "(?:", "[^", "[a-c", r"\d", r"\.", "{2}", "{1,2}", "a]"]
    )
    with ledger.connect() as connection:

        @settings(
            max_examples=500, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.filter_too_much]
        )
        @given(st.lists(signs, min_size=1, max_size=8).map("".join), st.text("ab1-.", max_size=4))
        def check(pattern: str, value: str) -> None:
            try:
                checked_pattern(pattern)
            except ValueError:
                return
            meant = re.fullmatch(pattern, value) is not None
            assert connection.scalar(MATCHES, {"value": value, "pattern": pattern}) is meant, pattern

        check()


@pytest.mark.parametrize(
    ("pattern", "rest"),
    [
        (r"(?P<number>\d{8})", r"(?P<number>\d{8})"),
        (r"\d{8}(?<=0)", "(?<=0)"),
        (r"(?!0)\d{8}", r"(?!0)\d{8}"),
        (r"(?i)n\d{8}", r"(?i)n\d{8}"),
        (r"(?>a)", "(?>a)"),
        (r"\bN\d+", r"\bN\d+"),
        (r"(a)\1", r"\1"),
        (r"\d++", "++"),
        (r"\d{,8}", "{,8}"),
        (r"\d{300}", "{300}"),
        (r"[[:digit:]]{8}", "[[:digit:]]{8}"),
        (r"[A-Z", "[A-Z"),
        (r"\x41", r"\x41"),
        ("N\\", "\\"),
    ],
)
def test_what_the_database_reads_otherwise_or_not_at_all_is_refused(pattern: str, rest: str) -> None:
    with pytest.raises(ValueError, match="in this regular expression is not understood") as refused:
        checked_pattern(pattern)

    assert str(refused.value).startswith(repr(rest))


@pytest.mark.parametrize("pattern", ["(N", "N)", "*", "[z-a]", "a{3,2}", "a|*"])
def test_what_is_no_regular_expression_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"not understood|is not a regular expression"):
        checked_pattern(pattern)
