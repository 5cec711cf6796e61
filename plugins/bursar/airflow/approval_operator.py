"""The task of an export that waits for an approval if the batch exceeds the limits of its profile."""

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Context

from bursar.airflow.connections import ledger_url
from bursar.airflow.notifier import run_url, send
from bursar.db.engine import ledger_engine
from bursar.errors import BatchError
from bursar.exports import approval, recover
from bursar.exports.approval import ApprovalAnswer
from bursar.ledger.batches import Batch, BatchState, get_batch
from bursar.ledger.jobs import Job
from bursar.money import pluralize
from bursar.notifications.messages import Message, approval_message
from bursar.notifications.render import render_message
from bursar.profiles import Profile
from bursar.reporting.task_timings import record_task

if TYPE_CHECKING:
    from bursar.airflow.task_summaries import BuiltFile

log = logging.getLogger(__name__)

_REQUESTED_AGAIN = "No answer to the earlier request is recorded. Please answer again, even if you have answered it."


class ExportApprovalOperator(ApprovalOperator):
    """Requests an approval for a batch that exceeds the limits, and waits for the answer; any other batch passes.

    Required Actions shows a preview of the batch, and the people whom the profile notifies of warnings are notified.
    After an approval the export continues. After a rejection the batch is released and the tasks that follow are
    skipped. Without an answer in time the batch is released and the task fails. A repeated task requests the approval
    again if the ledger has no answer, because Airflow may have lost one.
    """

    def __init__(self, *, profile: Profile, **arguments: Any) -> None:  # noqa: ANN401
        super().__init__(
            subject="Approve this export?",
            body="The preview is shown as soon as the run waits.",
            response_timeout=timedelta(hours=profile.export.approval.timeout_hours),
            **arguments,
        )
        self.profile = profile

    def execute(self, context: Context) -> None:
        """Requests an approval if the batch needs one and has none.

        Raises:
            BatchError: the batch has been released.
        """
        batch, engine = self._get_batch(context), ledger_engine(ledger_url())
        if batch.state is BatchState.RELEASED:
            raise BatchError(f"Batch {batch.id} has been released, and its fines are open. Trigger the DAG again.")
        found = approval.request_approval(engine, batch.id, self.profile.export.approval)
        if found is None or found.answer is ApprovalAnswer.APPROVED:
            log.info("Batch %s (%s) %s.", batch.id, batch.state, "is approved" if found else "needs no approval")
            return
        if found.answer:
            recover.record_answer(engine, batch.id, found.answer, by=found.answered_by)
            raise BatchError(
                f"Batch {batch.id} has been {found.answer}, and its fines are open. Trigger the DAG again."
            )
        url = run_url(self.dag_id, batch.run_id)
        message = approval_message(
            batch,
            (*found.reasons, *([_REQUESTED_AGAIN] if found.times_asked > 1 else [])),
            profile_name=self.profile.name,
            until=datetime.now(UTC) + timedelta(hours=self.profile.export.approval.timeout_hours),
            time_zone=self.profile.time_zone,
            link=url and f"{url}/tasks/{self.task_id}/required_actions",
        )
        self.subject = f"Approve this export of {pluralize(batch.fines, 'fine')}?"
        self.body = self._preview(message, batch)
        dedup_key = f"approval batch {batch.id} request {found.times_asked}"
        send(engine, message, self.profile.notifications.completed_with_warnings, dedup_key=dedup_key)
        super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> None:
        """Records the answer, and releases the batch unless it is an approval.

        Raises:
            BatchError: there was no answer in time.
        """
        batch, engine = self._get_batch(context), ledger_engine(ledger_url())
        with record_task(engine, self.task_id, job=Job.EXPORT, profile=batch.profile, run_id=batch.run_id):
            if event.get("error_type") == "timeout":
                recover.record_answer(engine, batch.id, ApprovalAnswer.UNANSWERED, by=None)
                raise BatchError(
                    f"Nobody answered the request to approve batch {batch.id} within "
                    f"{pluralize(self.profile.export.approval.timeout_hours, 'hour')}. Nothing was uploaded. The batch "
                    f"was released ({pluralize(batch.fines, 'fine')}), and the next run selects its fines. Answer the "
                    "request of that run."
                )
        answer = event.get("chosen_options")
        if answer in ([self.APPROVE], [self.REJECT]):
            user = event["responded_by_user"]
            recover.record_answer(
                engine,
                batch.id,
                ApprovalAnswer.APPROVED if answer == [self.APPROVE] else ApprovalAnswer.REFUSED,
                by=user and user["name"],
            )
        super().execute_complete(context, event)

    def _get_batch(self, context: Context) -> Batch:
        built: BuiltFile = context["ti"].xcom_pull(task_ids="build_file")
        with ledger_engine(ledger_url()).connect() as connection:
            return get_batch(connection, built["batch_id"])

    def _preview(self, message: Message, batch: Batch) -> str:
        command = f"bin/bursar batches build-file {batch.id}"
        return f"{render_message(message).markdown}\n- To look at the file, build it with `{command}`\n"
