"""Who may approve, as a profile and the settings say it."""

import pytest
from pydantic import ValidationError

from bursar.profiles.monitoring import Approval, Approver, JobApproval


def test_by_default_the_person_who_triggered_a_run_may_not_approve_it_and_everybody_else_may() -> None:
    for rules in (Approval(), JobApproval()):
        assert not rules.requester_may_approve
        assert rules.approver_users == ()


def test_an_approver_is_a_name_or_a_name_with_the_id_of_the_auth_manager() -> None:
    approval = Approval.model_validate({"approvers": ["anna", "ben=12"]})
    assert approval.approver_users == (Approver("anna", "anna"), Approver("ben", "12"))


@pytest.mark.parametrize("approvers", [["anna"], ["anna", "Anna"], ["anna=1", "anna=2"]])
def test_one_approver_is_too_few_unless_that_person_may_approve_all(approvers: list[str]) -> None:
    with pytest.raises(ValidationError, match="list at least two people"):
        Approval.model_validate({"approvers": approvers})
    assert Approval.model_validate({"approvers": approvers, "requester_may_approve": "yes"})


@pytest.mark.parametrize("approver", ["", "=12", "anna=", "anna=1=2", "x" * 101])
def test_an_approver_without_a_name_is_an_error(approver: str) -> None:
    with pytest.raises(ValidationError):
        Approval.model_validate({"approvers": [approver, "ben"]})


def test_blank_limits_of_jobs_are_the_defaults() -> None:
    assert JobApproval.model_validate({"max_users": None}) == JobApproval()
