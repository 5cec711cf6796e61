"""A purge or a bulk waiving beyond the limits changes nothing without an approval in the ledger."""

from collections.abc import Callable
from typing import Any

import pytest

from bursar.errors import BursarError
from bursar.ledger import approvals, desk
from bursar.ledger.approvals import ApprovalAnswer, ApprovalRequest, ApprovalSubject
from bursar.ledger.jobs import Job, UserJob
from bursar.profiles import Settings
from bursar.users import approval, purging, waiving
from bursar.users.maintenance_job import MaintenanceJob
from bursar.users.purging import PurgeParams
from bursar.users.waiving import WaiveParams
from tests.support.fixtures import NOW, UNLIMITED, Library, make_settings

FACTS: dict[str, Any] = {"run_id": "run", "requested_by": "anna"}


def limited(**limits: int) -> Settings:
    return make_settings(approval=UNLIMITED | limits)


def purge(library: Library, settings: Settings, *, dry_run: bool = False) -> MaintenanceJob:
    params = PurgeParams.of_form({"dry_run": dry_run, "waive_threshold": "100"})
    return purging.purge_users(library.ledger, params, settings, as_of=NOW, **FACTS)


def ask_for_purge(library: Library, settings: Settings, *, dry_run: bool = False) -> ApprovalRequest | None:
    params = PurgeParams.of_form({"dry_run": dry_run, "waive_threshold": "100"})
    return purging.record_request(library.ledger, params, settings, as_of=NOW, **FACTS)


def waive(library: Library, settings: Settings, *, dry_run: bool = False) -> MaintenanceJob:
    params = WaiveParams.of_form({"dry_run": dry_run, "threshold": "100", "reason": "Amnesty"})
    return waiving.waive_fines(library.ledger, params, settings, as_of=NOW, **FACTS)


def ask_for_waiving(library: Library, settings: Settings, *, dry_run: bool = False) -> ApprovalRequest | None:
    params = WaiveParams.of_form({"dry_run": dry_run, "threshold": "100", "reason": "Amnesty"})
    return waiving.record_request(library.ledger, params, settings, **FACTS)


Run = Callable[..., MaintenanceJob]
Ask = Callable[..., ApprovalRequest | None]
JOBS = pytest.mark.parametrize(
    ("job", "run", "ask"),
    [(Job.PURGE, purge, ask_for_purge), (Job.WAIVE, waive, ask_for_waiving)],
    ids=["purge", "waive"],
)


def add_leavers(library: Library, count: int = 2) -> list[int]:
    """Adds users whose purge date has passed, each with a fine of 4.00; returns the fines."""
    return [library.fine(library.user(purge=NOW.date()), "4.00") for _ in range(count)]


def answer(library: Library, job: UserJob, given: ApprovalAnswer, by: str | None = "ben") -> None:
    with library.ledger.begin() as connection:
        approvals.record_answer(connection, ApprovalSubject(job=job, run_id="run"), given, by=by)


def is_untouched(library: Library) -> bool:
    """Whether no user was deleted, no fine waived and no job recorded."""
    return bool(
        library.one(
            "SELECT NOT EXISTS (SELECT FROM users WHERE deleted_at IS NOT NULL)"
            " AND NOT EXISTS (SELECT FROM journal_entries WHERE entry_type = 'WAIVED')"
            " AND NOT EXISTS (SELECT FROM maintenance_jobs)"
            " AND NOT EXISTS (SELECT FROM maintenance_job_results)"
        )
    )


@JOBS
@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"max_users": 1}, "2 users"),
        ({"max_fines": 1}, "2 fines waived: more than the limit of 1."),
        ({"max_amount": 7}, "8.00 USD waived: more than the limit of 7.00 USD."),
    ],
)
def test_a_job_beyond_a_limit_changes_nothing_without_an_approval(
    library: Library, job: UserJob, run: Run, ask: Ask, limits: dict[str, int], reason: str
) -> None:
    """Also if the tasks before it were marked as successful."""
    add_leavers(library)
    with pytest.raises(BursarError, match=f"nobody was asked to approve it. {reason}.*Clear the task check_limits"):
        run(library, limited(**limits))
    asked = ask(library, limited(**limits))
    assert asked
    assert asked.reasons[0].startswith(reason)
    assert is_untouched(library)
    with pytest.raises(BursarError, match="no answer is recorded.*Clear the task wait_for_approval"):
        run(library, limited(**limits))
    assert is_untouched(library)

    answer(library, job, ApprovalAnswer.APPROVED)
    done = run(library, limited(**limits))
    assert (done.users, done.fines, done.requested_by) == (2, 2, "anna")


@JOBS
def test_a_job_within_the_limits_and_a_dry_run_need_no_approval(
    library: Library, job: UserJob, run: Run, ask: Ask
) -> None:
    add_leavers(library)
    settings = limited(max_users=2, max_fines=2, max_amount=8)
    assert ask(library, settings) is None
    assert ask(library, limited(max_users=0), dry_run=True) is None
    assert approval.request_approval(library.ledger, job, "run", settings.approval) is None
    assert run(library, settings).users == 2


@JOBS
@pytest.mark.parametrize(
    ("given", "why"),
    [(ApprovalAnswer.REFUSED, "a person refused it"), (ApprovalAnswer.UNANSWERED, "nobody answered in time")],
)
def test_a_job_that_was_not_approved_is_not_done_even_within_the_limits(
    library: Library, job: UserJob, run: Run, ask: Ask, given: ApprovalAnswer, why: str
) -> None:
    add_leavers(library)
    ask(library, limited(max_users=1))
    answer(library, job, given)
    with pytest.raises(BursarError, match=f"needed an approval, and {why}"):
        run(library, limited())
    assert is_untouched(library)


@JOBS
def test_an_approval_is_for_no_more_than_was_shown(library: Library, job: UserJob, run: Run, ask: Ask) -> None:
    add_leavers(library)
    ask(library, limited(max_users=1))
    answer(library, job, ApprovalAnswer.APPROVED)
    (late,) = add_leavers(library, 1)
    with pytest.raises(BursarError, match=r"more than was approved: 3 users, and 2 approved. .*12.00 USD, and 8.00"):
        run(library, limited(max_users=1))
    assert is_untouched(library)
    with library.ledger.begin() as connection:
        desk.pay(connection, late)
    if job is Job.WAIVE:
        assert run(library, limited(max_users=1)).fines == 2


def test_an_answer_of_the_person_who_triggered_the_job_has_no_effect(library: Library) -> None:
    add_leavers(library)
    settings = limited(max_users=1)
    asked = ask_for_purge(library, settings)
    assert asked
    with library.ledger.begin() as connection:
        assert approvals.reject_answer(connection, asked, settings.approval, ApprovalAnswer.APPROVED, "anna")
    with pytest.raises(BursarError, match="no answer is recorded"):
        purge(library, settings)


def test_several_small_jobs_of_one_person_count_together(library: Library) -> None:
    settings = limited(max_fines=3)

    def waive_as(run_id: str, by: str | None, *, dry_run: bool = False) -> MaintenanceJob:
        params = WaiveParams.of_form({"dry_run": dry_run, "threshold": "100", "reason": "Amnesty"})
        return waiving.waive_fines(library.ledger, params, settings, run_id=run_id, as_of=NOW, requested_by=by)

    add_leavers(library, 2)
    assert waive_as("dry", "anna", dry_run=True).fines == 2
    assert waive_as("first", "anna").fines == 2
    add_leavers(library, 2)
    with pytest.raises(BursarError, match=r"4 fines waived, with 1 earlier run of the same person in 24 hours: more"):
        waive_as("second", "anna")
    assert waive_as("other", "ben").fines == 2
    assert waive_as("nothing", "anna").fines == 0


def test_the_limits_of_an_institution_that_sets_none_are_small() -> None:
    limits = make_settings().approval
    assert (limits.max_users, limits.max_fines, limits.max_amount) == (500, 500, 5_000)
    assert not limits.requester_may_approve
