"""Identifier patterns: PostgreSQL validates them, and an export with an invalid one fails before it selects."""

import pytest
from sqlalchemy import Engine, text

from bursar.errors import BursarError
from bursar.exports.identifier_pattern import pattern_error
from bursar.exports.selection import preview, select_fines
from tests.support.fixtures import NOW, Library, make_profile, make_settings

VALID = [
    (r"\d{8}", "00123456", "0012345"),
    (r"[A-Z]\d{7}", "N0012345", "n0012345"),
    (r"(N|S)\d+", "S1", "X1"),
    (r"(?:N|S)?\d{2,5}", "12345", "123456"),
    (r"^\d{8}$", "12345678", "123456789"),
    (r"[\w.-]+@[a-z]+\.edu", "jane.doe-2@asu.edu", "jane@asuxedu"),
    (r"A1|B2", "B2", "B2x"),
    ("[[:digit:]]{8}", "12345678", "1234567"),
    (r"(?!0)\d{8}", "12345678", "02345678"),
    (r"(\d)\1", "11", "12"),
]
INVALID = [
    "[A-Z",
    "(N",
    "N)",
    "*",
    "[z-a]",
    "a{3,2}",
    "a{300}",
    "N\\",
    r"A)|(B",
    r"(?i)n\d{8}",
    "***=N1",
    r"(?P<number>\d{8})",
    "N1(?#comment",
    "((((a{255}){255}){255}){255})",
]


@pytest.mark.parametrize(("pattern", "matching", "other"), VALID)
def test_a_valid_pattern_must_match_the_whole_identifier(
    library: Library, pattern: str, matching: str, other: str
) -> None:
    with library.ledger.connect() as connection:
        assert pattern_error(connection, pattern) is None
    fines = [library.fine(library.user(identifier)) for identifier in (matching, other)]
    _, decisions = preview(library.ledger, make_profile(identifier_pattern=pattern), as_of=NOW, limit=10)
    reasons = {decision.fine_id: decision.reason for decision in decisions}
    assert [reasons[fine] for fine in fines] == [None, "malformed_identifier"]


@pytest.mark.parametrize("pattern", INVALID)
def test_an_invalid_pattern_is_an_error_with_the_reason_of_postgresql(ledger: Engine, pattern: str) -> None:
    with ledger.connect() as connection:
        reason = pattern_error(connection, pattern)
        assert connection.execute(text("SELECT 1")).scalar_one() == 1, "the transaction can continue"
    assert reason
    assert reason.startswith("PostgreSQL reports 'invalid regular expression: ")


@pytest.mark.parametrize("fines", [0, 1])
@pytest.mark.parametrize("pattern", INVALID)
def test_an_export_with_an_invalid_pattern_fails_and_names_the_setting(
    library: Library, pattern: str, fines: int
) -> None:
    for _ in range(fines):
        library.fine()
    profile = make_profile(identifier_pattern=pattern)
    with pytest.raises(BursarError) as refused:
        select_fines(library.ledger, profile, make_settings(), run_id="run 1", as_of=NOW)
    with pytest.raises(BursarError) as refused_preview:
        preview(library.ledger, profile, as_of=NOW, limit=1)
    assert str(refused.value).startswith(
        f"Profile STUDENTS: export.identifier_pattern {pattern!r} is not valid: PostgreSQL reports 'invalid regular "
    )
    assert "`bin/bursar profiles check` names file and line" in str(refused.value)
    assert str(refused_preview.value) == str(refused.value)
    assert library.one("SELECT count(*) FROM batches") == 0
