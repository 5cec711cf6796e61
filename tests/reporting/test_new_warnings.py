"""Users who can't be exported are a warning once; later reports count them."""

from datetime import UTC, datetime

from bursar.exports.selection import select_fines
from bursar.reporting.build_report import build_export_report
from bursar.reporting.run_report import RunOutcome, RunReport
from tests.support.fake_bursar import FakeBursar
from tests.support.fixtures import make_profile, make_settings

NO_IDENTIFIER = "the user has no identifier of the profile's type."
ADVICE = "Correct the users in the library system (`bin/bursar profiles preview` lists them)."


def export(office: FakeBursar, run_id: str, *, code: str = "STUDENTS", dry_run: bool = False) -> RunReport:
    """Selects the fines of a run, and returns its report."""
    engine, profile = office.library.ledger, make_profile(code=code)
    select_fines(engine, profile, make_settings(), run_id=run_id, as_of=datetime.now(UTC), dry_run=dry_run)
    return build_export_report(engine, code, run_id=run_id, started_at=datetime.now(UTC), failed=())


def set_identifier(office: FakeBursar, user: int, value: str | None) -> None:
    office._run("DELETE FROM identifiers WHERE user_id = :user AND type = '02'", user=user)  # noqa: SLF001
    if value:
        office._run("INSERT INTO identifiers VALUES (:user, '02', :value)", user=user, value=value)  # noqa: SLF001


def test_a_user_who_was_reported_before_is_counted_and_no_warning(office: FakeBursar) -> None:
    office.library.fine(office.library.user(None), "3.00")
    first, second = export(office, "1"), export(office, "2")
    assert (first.outcome, first.messages) == (
        RunOutcome.WITH_WARNINGS,
        (f"1 fine of 1 user (3.00 USD) left open: {NO_IDENTIFIER} {ADVICE}",),
    )
    assert (second.outcome, second.messages) == (
        RunOutcome.NOTHING_TO_DO,
        (f"1 fine of 1 user (3.00 USD) left open, as reported before: {NO_IDENTIFIER}",),
    )
    assert first.skipped == second.skipped


def test_a_new_user_is_a_warning_and_the_others_are_counted(office: FakeBursar) -> None:
    known = office.library.user(None)
    office.library.fine(known, "3.00")
    export(office, "1")
    office.library.fine(known, "2.00")
    office.library.fine(office.library.user(None), "4.00")
    report = export(office, "2")
    assert (report.outcome, report.messages) == (
        RunOutcome.WITH_WARNINGS,
        (f"3 fines of 2 users (9.00 USD) left open: {NO_IDENTIFIER} 1 user has not been reported before. {ADVICE}",),
    )


def test_a_new_fine_of_a_known_user_is_no_warning(office: FakeBursar) -> None:
    user = office.library.user(None)
    office.library.fine(user, "3.00")
    export(office, "1")
    office.library.fine(user, "2.00")
    assert export(office, "2").outcome is RunOutcome.NOTHING_TO_DO


def test_a_report_that_is_built_again_says_the_same(office: FakeBursar) -> None:
    office.library.fine(office.library.user(None), "3.00")
    first = export(office, "1")
    export(office, "2")
    assert export(office, "1").messages == first.messages


def test_each_profile_reports_its_own_users(office: FakeBursar) -> None:
    office.library.fine(office.library.user(None), "3.00")
    export(office, "1")
    assert export(office, "2", code="STAFF").outcome is RunOutcome.WITH_WARNINGS


def test_a_dry_run_reports_nobody_and_shows_all(office: FakeBursar) -> None:
    office.library.fine(office.library.user(None), "3.00")
    assert export(office, "1", dry_run=True).outcome is RunOutcome.WITH_WARNINGS
    assert export(office, "2").outcome is RunOutcome.WITH_WARNINGS
    assert export(office, "3", dry_run=True).outcome is RunOutcome.WITH_WARNINGS


def test_a_mistake_that_was_corrected_and_returns_is_new(office: FakeBursar) -> None:
    user = office.library.user(None)
    office.library.fine(user, "3.00")
    export(office, "1")
    set_identifier(office, user, "12345678")
    assert export(office, "2").fines == 0  # selected, not delivered
    office._run("DELETE FROM batch_claims")  # noqa: SLF001
    set_identifier(office, user, None)
    assert export(office, "3").outcome is RunOutcome.WITH_WARNINGS


def test_another_mistake_of_a_known_user_is_new(office: FakeBursar) -> None:
    user = office.library.user(None)
    office.library.fine(user, "3.00")
    export(office, "1")
    set_identifier(office, user, "00\x01")
    report = export(office, "2")
    assert report.outcome is RunOutcome.WITH_WARNINGS
    set_identifier(office, user, None)
    assert export(office, "3").outcome is RunOutcome.WITH_WARNINGS
