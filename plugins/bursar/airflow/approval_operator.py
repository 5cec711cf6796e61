"""The task that waits for an approval, for the operators of exports and of maintenance jobs.

The ledger has the request and the answer; Airflow's page only collects it. Persons are named in the ledger alone, not
in logs and XComs.
"""

import logging
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Context
from sqlalchemy import Engine

from bursar.airflow.notifier import run_url, send
from bursar.airflow.report_task import record_task_of_run
from bursar.airflow.task_failure import log_known_errors
from bursar.errors import BursarError
from bursar.ledger import approvals
from bursar.ledger.approvals import ApprovalAnswer, ApprovalRequest, ApprovalSubject, RejectionReason
from bursar.ledger.jobs import Job
from bursar.money import pluralize
from bursar.notifications.messages import Message, rejected_answer_message
from bursar.profiles import Profile
from bursar.profiles.monitoring import ApprovalRules

log = logging.getLogger(__name__)

_REQUESTED_AGAIN = "No answer to the earlier request is recorded. Please answer again, even if you have answered it."


@dataclass(frozen=True, kw_only=True)
class ApprovalCase:
    """The batch or the run that may need an approval, and the rules that say who may answer.

    `name` is its name in sentences, `recipients` are notified of the request.
    """

    engine: Engine
    subject: ApprovalSubject
    rules: ApprovalRules
    name: str
    recipients: Sequence[str]


CaseT = TypeVar("CaseT", bound=ApprovalCase)


class LedgerApprovalOperator(ApprovalOperator, Generic[CaseT]):
    """Waits for the answer to a request for approval in the ledger; without a request it passes.

    Required Actions shows a preview, and people are notified. After an approval the run continues. After a refusal the
    tasks that follow are skipped. Without an answer in time the task fails. A repeated task requests the approval again
    if the ledger has no answer, because Airflow may have lost one.

    If the profile or the settings list approvers, Airflow accepts an answer of these people only, without the person
    who triggered the run. Otherwise an approval by that person is recorded as rejected, and the run waits on.
    """

    def __init__(self, *, job: Job, profile: Profile | None, **arguments: Any) -> None:  # noqa: ANN401
        super().__init__(
            subject="Approve this run?", body="The preview is shown as soon as the run waits.", **arguments
        )
        self.job = job
        self.profile = profile

    @abstractmethod
    def get_case(self, context: Context) -> CaseT:
        """Returns the batch or the run that may need an approval."""

    @abstractmethod
    def request(self, case: CaseT) -> ApprovalRequest | None:
        """Counts a request to people; returns None if no approval is needed."""

    @abstractmethod
    def make_message(self, case: CaseT, context: Context, reasons: Sequence[str], link: str | None) -> Message:
        """Returns the message that requests the approval."""

    @abstractmethod
    def make_preview(self, case: CaseT, message: Message) -> tuple[str, str]:
        """Returns the title and the text that Required Actions shows."""

    @abstractmethod
    def record_answer(self, case: CaseT, answer: ApprovalAnswer, by: str | None) -> None:
        """Records the answer, and takes its consequences."""

    @abstractmethod
    def describe_end(self, case: CaseT) -> str:
        """Returns a sentence about the state after a missing or a negative answer, and the advice."""

    @log_known_errors()
    def execute(self, context: Context) -> None:
        """Requests an approval if one is needed and not recorded.

        Raises:
            TaskFailure: it has been refused, or was not answered in time.
        """
        case = self.get_case(context)
        found = self.request(case)
        if found is None or found.answer is ApprovalAnswer.APPROVED:
            log.info("%s %s.", case.name, "is approved" if found else "needs no approval")
            return
        if found.answer:
            self.record_answer(case, found.answer, found.answered_by)
            raise BursarError(f"{case.name} has been {found.answer}. {self.describe_end(case)}")
        reasons = (*found.reasons, *([_REQUESTED_AGAIN] if found.times_asked > 1 else []))
        message = self.make_message(case, context, (*reasons, *_describe_rules(found)), self._link(context))
        self.subject, self.body = self.make_preview(case, message)
        dedup_key = f"approval {found.id} request {found.times_asked}"
        send(case.engine, message, case.recipients, dedup_key=dedup_key)
        self._wait(context, case, found)

    @log_known_errors()
    def execute_complete(self, context: Context, event: dict[str, Any]) -> None:
        """Records the answer. An approval by a person who may not approve is recorded as rejected, and the run waits.

        Raises:
            TaskFailure: there was no answer in time.
        """
        case = self.get_case(context)
        if event.get("error_type") == "timeout":
            with record_task_of_run(self.task_id, self.profile, self.job, context):
                self.record_answer(case, ApprovalAnswer.UNANSWERED, None)
                hours = pluralize(case.rules.timeout_hours, "hour")
                raise BursarError(
                    f"Nobody answered the request to approve {case.name[0].lower()}{case.name[1:]} within {hours}. "
                    f"{self.describe_end(case)} Answer the request of that run."
                )
        chosen = event.get("chosen_options")
        if chosen in ([self.APPROVE], [self.REJECT]):
            answer = ApprovalAnswer.APPROVED if chosen == [self.APPROVE] else ApprovalAnswer.REFUSED
            user = event["responded_by_user"]
            by = user and user["name"]
            with case.engine.begin() as connection:
                request = approvals.get_request(connection, case.subject)
                reason = request and approvals.reject_answer(connection, request, case.rules, answer, by)
                count = approvals.count_rejected_answers(connection, request) if request else 0
            if request and reason:
                self._reject(context, case, request, reason, count)
            self.record_answer(case, answer, by)
        super().execute_complete(context, event)  # its result names the person

    def _reject(
        self, context: Context, case: CaseT, request: ApprovalRequest, reason: RejectionReason, count: int
    ) -> None:
        """Notifies people of the reason why an approval has no effect, and waits for another answer."""
        log.warning("An approval of %s has no effect: %s. The run waits on.", case.name, reason.description)
        message = rejected_answer_message(
            job=self.job,
            profile_name=self.profile.name if self.profile else None,
            reason=reason.description,
            link=self._link(context),
        )
        send(case.engine, message, case.recipients, dedup_key=f"approval {request.id} rejected {count}")
        self._wait(context, case, request)

    def _wait(self, context: Context, case: CaseT, request: ApprovalRequest) -> None:
        self.response_timeout = timedelta(hours=case.rules.timeout_hours)
        self.assigned_users = [
            {"id": user.id, "name": user.name}
            for user in case.rules.approver_users
            if request.requester_may_approve or user.name.casefold() != (request.requested_by or "").casefold()
        ]
        super().execute(context)

    def _link(self, context: Context) -> str | None:
        url = run_url(self.dag_id, context["run_id"])
        return url and f"{url}/tasks/{self.task_id}/required_actions"


def _describe_rules(request: ApprovalRequest) -> list[str]:
    if request.requester_may_approve or not request.requested_by:
        return []
    return ["The person who triggered this run may not approve it: another person has to."]
