"""Who may approve: an answer of the wrong person is recorded as rejected, and the table does not hold it either."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from bursar.ledger import approvals
from bursar.ledger.approvals import ApprovalAnswer, ApprovalRequest, ApprovalSubject, Figures, RejectionReason
from bursar.ledger.jobs import Job
from bursar.ledger.totals import CurrencyTotals
from bursar.profiles.monitoring import ApprovalRules
from tests.support.fixtures import Library

SUBJECT = ApprovalSubject(job=Job.WAIVE, run_id="run")


def request(library: Library, rules: ApprovalRules, requested_by: str | None = "anna") -> ApprovalRequest:
    """Records a request of a run that anna triggered."""
    with library.ledger.begin() as connection:
        figures = Figures(1, 2, {"USD": CurrencyTotals()})
        approvals.insert_request(connection, SUBJECT, ["Much."], rules, requested_by=requested_by, figures=figures)
        found = approvals.get_request(connection, SUBJECT)
    assert found
    return found


@pytest.mark.parametrize(
    ("rules", "requested_by", "by", "reason"),
    [
        ({}, "anna", "ben", None),
        ({}, "anna", "anna", RejectionReason.REQUESTER),
        ({}, "anna", "Anna", RejectionReason.REQUESTER),
        ({}, "anna", None, RejectionReason.UNKNOWN),
        ({}, None, None, RejectionReason.UNKNOWN),
        ({}, None, "anna", None),
        ({"requester_may_approve": True}, "anna", "anna", None),
        ({"approvers": ["anna", "ben=12"]}, "anna", "ben", None),
        ({"approvers": ["anna", "ben=12"]}, "anna", "anna", RejectionReason.REQUESTER),
        ({"approvers": ["anna", "ben=12"]}, "anna", "carl", RejectionReason.NO_APPROVER),
        ({"approvers": ["anna"], "requester_may_approve": True}, "anna", "carl", RejectionReason.NO_APPROVER),
        ({"approvers": ["anna"], "requester_may_approve": True}, "anna", None, RejectionReason.NO_APPROVER),
    ],
)
def test_an_approval_by_the_wrong_person_is_recorded_as_rejected(
    library: Library, rules: dict[str, object], requested_by: str | None, by: str | None, reason: RejectionReason | None
) -> None:
    allowed = ApprovalRules.model_validate(rules)
    asked = request(library, allowed, requested_by)
    with library.ledger.begin() as connection:
        assert approvals.reject_answer(connection, asked, allowed, ApprovalAnswer.APPROVED, by) == reason
        assert approvals.reject_answer(connection, asked, allowed, ApprovalAnswer.REFUSED, by) is None
        assert approvals.count_rejected_answers(connection, asked) == (1 if reason else 0)
    if reason:
        found = "SELECT coalesce(answered_by, '') || ' ' || answer || ' ' || reason FROM rejected_answers"
        assert library.one(found) == f"{by or ''} approved {reason}"


@pytest.mark.parametrize("by", ["anna", "ANNA", None])
def test_the_table_holds_no_approval_by_the_person_who_triggered_the_run(library: Library, by: str | None) -> None:
    request(library, ApprovalRules())
    with pytest.raises(IntegrityError, match="requester_does_not_approve"), library.ledger.begin() as connection:
        approvals.record_answer(connection, SUBJECT, ApprovalAnswer.APPROVED, by=by)
    with library.ledger.begin() as connection:
        assert approvals.record_answer(connection, SUBJECT, ApprovalAnswer.REFUSED, by=by).answered_by == by


def test_a_rule_that_changes_before_the_answer_holds_for_the_next_request(library: Library) -> None:
    asked = request(library, ApprovalRules())
    with library.ledger.begin() as connection:
        approvals.count_request(connection, asked, ApprovalRules(requester_may_approve=True))
        assert approvals.record_answer(connection, SUBJECT, ApprovalAnswer.APPROVED, by="anna").times_asked == 1


def test_an_approval_is_of_a_batch_or_of_a_job(library: Library) -> None:
    for columns, values in (("reasons", "'{}'"), ("reasons, job, run_id", "'{}', 'purge', 'run'")):
        with pytest.raises(IntegrityError, match="approves_a_batch_or_a_job"), library.ledger.begin() as connection:
            connection.execute(text(f"INSERT INTO approvals ({columns}) VALUES ({values})"))
