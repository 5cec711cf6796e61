"""The task of a maintenance job that waits for an approval if the job exceeds the limits of the settings."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import Context

from bursar.airflow.approval_operator import ApprovalCase, LedgerApprovalOperator
from bursar.airflow.connections import ledger_url
from bursar.db.engine import ledger_engine
from bursar.errors import BursarError
from bursar.ledger import approvals
from bursar.ledger.approvals import ApprovalAnswer, ApprovalRequest, ApprovalSubject
from bursar.ledger.jobs import UserJob
from bursar.notifications.messages import Message, job_approval_message
from bursar.notifications.render import render_message
from bursar.profiles import INCLUDE, Settings, load_settings
from bursar.users import approval


class MaintenanceApprovalOperator(LedgerApprovalOperator[ApprovalCase]):
    """Waits for the approval of a purge or a bulk waiving beyond the limits of the settings."""

    job: UserJob

    def __init__(self, *, job: UserJob, **arguments: Any) -> None:  # noqa: ANN401
        super().__init__(job=job, profile=None, **arguments)

    def get_case(self, context: Context) -> ApprovalCase:
        """Returns the run. Settings are read by the task, so the DAG exists without them."""
        settings = _load_settings()
        return ApprovalCase(
            engine=ledger_engine(ledger_url()),
            subject=ApprovalSubject(job=self.job, run_id=context["run_id"]),
            rules=settings.approval,
            name="This run",
            recipients=settings.notifications.completed_with_warnings,
        )

    def request(self, case: ApprovalCase) -> ApprovalRequest | None:
        """Counts a request to people, if the task before has found that the run needs an approval."""
        return approval.request_approval(case.engine, self.job, str(case.subject.run_id), _load_settings().approval)

    def make_message(self, case: ApprovalCase, context: Context, reasons: Sequence[str], link: str | None) -> Message:
        """Returns the message with the users, fines and amounts."""
        with case.engine.connect() as connection:
            request = approvals.get_request(connection, case.subject)
        if request is None or request.figures is None:
            raise BursarError("The request for this approval is gone. Trigger the DAG again.")
        return job_approval_message(
            self.job,
            request.figures,
            reasons,
            run_id=context["run_id"],
            until=datetime.now(UTC) + timedelta(hours=case.rules.timeout_hours),
            time_zone=_load_settings().time_zone,
            link=link,
        )

    def make_preview(self, case: ApprovalCase, message: Message) -> tuple[str, str]:  # noqa: ARG002
        """Returns the message."""
        return f"Approve this run of {self.job.display_name()}?", render_message(message).markdown

    def record_answer(self, case: ApprovalCase, answer: ApprovalAnswer, by: str | None) -> None:
        """Records the answer."""
        with case.engine.begin() as connection:
            approvals.record_answer(connection, case.subject, answer, by=by)

    def describe_end(self, case: ApprovalCase) -> str:  # noqa: ARG002
        """Says that nothing was changed."""
        return "Nothing was changed. Trigger the DAG again."


def _load_settings() -> Settings:
    return load_settings(INCLUDE / "bursar.yaml")
