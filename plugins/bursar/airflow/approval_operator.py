"""The task of an export that waits for a person, if the batch is beyond the limits of the profile."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Context

from bursar.airflow.connections import ledger_url
from bursar.airflow.notifier import run_url, send
from bursar.db.engine import ledger_engine
from bursar.errors import BatchError
from bursar.exports import approval, close
from bursar.exports.approval import ApprovalAnswer
from bursar.ledger.batches import Batch, BatchState, get_batch
from bursar.ledger.jobs import Job
from bursar.money import pluralize
from bursar.notifications.messages import Message, approval_message
from bursar.notifications.render import render_message
from bursar.profiles import Profile
from bursar.reporting.task_timings import record_task

log = logging.getLogger(__name__)

_ASKED_AGAIN = "No answer to the earlier request is recorded. Please answer again, even if you have answered before."


class ExportApprovalOperator(ApprovalOperator):
    """Lets a batch within the limits pass at once; parks the run of any other until a person answers.

    The preview stands under Required Actions, and those who are told of warnings are told. Approved, the export goes
    on. Refused, the fines are let go and the tasks behind are skipped; unanswered in time, the task fails besides.
    A repeated task asks, and notifies, again if the ledger has no answer: Airflow may have lost one.
    """

    def __init__(self, *, profile: Profile, **arguments: Any) -> None:  # noqa: ANN401  passed on
        super().__init__(
            subject="Approve this export?",
            body="The preview is shown once the run waits.",
            response_timeout=timedelta(hours=profile.export.approval.timeout_hours),
            **arguments,
        )
        self.profile = profile

    def execute(self, context: Context) -> None:
        """Asks, if somebody has to be asked."""
        ready, engine = self._batch(context), ledger_engine(ledger_url())
        if ready.state is BatchState.RELEASED:
            raise BatchError(f"Batch {ready.id} was released, and its fines are open. Start the DAG anew.")
        found = approval.request_approval(engine, ready.id, self.profile.export.approval)
        if found is None or found.answer is ApprovalAnswer.APPROVED:
            log.info("Batch %s (%s) %s.", ready.id, ready.state, "is approved" if found else "needs no approval")
            return
        if found.answer:
            close.record_answer(engine, ready.id, found.answer, by=found.answered_by)
            raise BatchError(f"Batch {ready.id} was {found.answer} before; its fines are open. Start the DAG anew.")
        run_id = run_url(self.dag_id, ready.run_id)
        letter = approval_message(
            ready,
            (*found.reasons, *([_ASKED_AGAIN] if found.times_asked > 1 else [])),
            profile_name=self.profile.name,
            until=datetime.now(UTC) + timedelta(hours=self.profile.export.approval.timeout_hours),
            time_zone=self.profile.time_zone,
            link=run_id and f"{run_id}/tasks/{self.task_id}/required_actions",
        )
        self.subject = f"Approve this export of {pluralize(ready.fines, 'fine')}?"
        self.body = self._preview(letter, ready)
        request = f"approval batch {ready.id} request {found.times_asked}"
        send(engine, letter, self.profile.notifications.completed_with_warnings, what=request)
        super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> None:
        """Takes down the answer, and lets the fines go unless it was a yes.

        Raises:
            BatchError: nobody answered in time.
        """
        ready, engine = self._batch(context), ledger_engine(ledger_url())
        with record_task(engine, self.task_id, job=Job.EXPORT, profile=ready.profile, run_id=ready.run_id):
            if event.get("error_type") == "timeout":
                close.record_answer(engine, ready.id, ApprovalAnswer.UNANSWERED, by=None)
                raise BatchError(
                    f"Nobody answered within {pluralize(self.profile.export.approval.timeout_hours, 'hour')} whether "
                    f"batch "
                    f"{ready.id} may go. Nothing was sent. What it held ({pluralize(ready.fines, 'fine')}) is open, "
                    f"and the "
                    "next run takes it; somebody has to answer then."
                )
        said = event.get("chosen_options")
        if said in ([self.APPROVE], [self.REJECT]):
            who = event["responded_by_user"]
            close.record_answer(
                engine,
                ready.id,
                ApprovalAnswer.APPROVED if said == [self.APPROVE] else ApprovalAnswer.REFUSED,
                by=who and who["name"],
            )
        super().execute_complete(context, event)

    def _batch(self, context: Context) -> Batch:
        number = context["ti"].xcom_pull(task_ids="build_file")["batch"]
        with ledger_engine(ledger_url()).connect() as connection:
            return get_batch(connection, number)

    def _preview(self, letter: Message, batch: Batch) -> str:
        return f"{render_message(letter).markdown}\n- `bin/bursar batches file {batch.id}` builds the file to look at\n"
