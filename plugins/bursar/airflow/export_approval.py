"""The task of an export that waits for an approval if the batch exceeds the limits of its profile."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Context

from bursar.airflow.approval_operator import ApprovalCase, LedgerApprovalOperator
from bursar.airflow.connections import ledger_url
from bursar.airflow.notifier import page_url
from bursar.airflow.profile_store import keep_revision
from bursar.db.engine import ledger_engine
from bursar.errors import BatchError
from bursar.exports import approval, recover
from bursar.ledger.approvals import ApprovalAnswer, ApprovalRequest, ApprovalSubject
from bursar.ledger.batches import Batch, BatchState, get_batch
from bursar.ledger.jobs import Job
from bursar.money import pluralize
from bursar.notifications.messages import Message, approval_message
from bursar.notifications.render import render_message
from bursar.page_names import Page
from bursar.profiles import Profile, Settings

if TYPE_CHECKING:
    from bursar.airflow.task_summaries import BuiltFiles


@dataclass(frozen=True, kw_only=True)
class BatchCase(ApprovalCase):
    """A batch that may need an approval, and the profile as it was when its run started."""

    batch: Batch
    profile: Profile


class ExportApprovalOperator(LedgerApprovalOperator[BatchCase]):
    """Waits for the approval of a batch beyond the limits of its profile; without one the batch is released."""

    profile: Profile

    def __init__(self, *, profile: Profile, settings: Settings, **arguments: Any) -> None:  # noqa: ANN401
        super().__init__(job=Job.EXPORT, profile=profile, **arguments)
        self.settings = settings

    def get_case(self, context: Context) -> BatchCase:
        """Returns the batch of the run.

        Raises:
            ProfileError: the revision that the run keeps is not valid any more.
        """
        built: BuiltFiles = context["ti"].xcom_pull(task_ids="build_file")
        engine = ledger_engine(ledger_url())
        profile = keep_revision(engine, self.settings, self.profile, Job.EXPORT, context["run_id"])
        with engine.connect() as connection:
            batch = get_batch(connection, built["batch_id"])
        return BatchCase(
            engine=engine,
            subject=ApprovalSubject(batch_id=batch.id),
            rules=profile.export.approval,
            name=f"Batch {batch.id}",
            recipients=profile.notifications.completed_with_warnings,
            batch=batch,
            profile=profile,
        )

    def request(self, case: BatchCase) -> ApprovalRequest | None:
        """Counts a request to people, if the batch needs an approval."""
        if case.batch.state is BatchState.RELEASED:
            raise BatchError(f"Batch {case.batch.id} has been released, and its fines are open. Trigger the DAG again.")
        return approval.request_approval(case.engine, case.batch.id, case.profile.export.approval)

    def make_message(self, case: BatchCase, context: Context, reasons: Sequence[str], link: str | None) -> Message:  # noqa: ARG002
        """Returns the message with the amounts of the batch."""
        return approval_message(
            case.batch,
            reasons,
            profile_name=case.profile.name,
            until=datetime.now(UTC) + timedelta(hours=case.rules.timeout_hours),
            time_zone=case.profile.time_zone,
            link=link,
        )

    def make_preview(self, case: BatchCase, message: Message) -> tuple[str, str]:
        """Returns the message, and the address of the batch with its fines and its file."""
        url = page_url(f"batches/{case.batch.id}")
        batch = "The batch with its fines and its file"
        page = f"[{batch}]({url})" if url else f"{batch}: {Page.WAITING}"
        return (
            f"Approve this export of {pluralize(case.batch.fines, 'fine')}?",
            f"{render_message(message).markdown}\n- {page}\n",
        )

    def record_answer(self, case: BatchCase, answer: ApprovalAnswer, by: str | None) -> None:
        """Records the answer, and releases the batch unless it is an approval."""
        recover.record_answer(case.engine, case.batch.id, answer, by=by)

    def describe_end(self, case: BatchCase) -> str:
        """Says that the fines are open again."""
        fines = pluralize(case.batch.fines, "fine")
        return f"Nothing was uploaded. The batch was released ({fines}), and the next run selects its fines."
