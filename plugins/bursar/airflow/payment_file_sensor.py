"""The sensor that waits for the bursar's files. While it waits, no worker and no process is occupied."""

from typing import Any, NoReturn

from airflow.sdk import BaseSensorOperator, Context
from airflow.sdk.exceptions import AirflowSensorTimeout, AirflowSkipException
from airflow.triggers.base import StartTriggerArgs

from bursar.airflow.connections import ledger_url
from bursar.airflow.payment_file_trigger import PaymentFileTrigger, WaitResult
from bursar.airflow.report_task import record_task_of_run
from bursar.db.engine import ledger_engine
from bursar.errors import BursarError, TransientError
from bursar.exports.close import clear_work_dirs
from bursar.ledger.jobs import Job
from bursar.money import pluralize
from bursar.profiles import INCLUDE, Profile, load_settings

MIN_SECONDS, MAX_SECONDS = 5, 60
"""Between two looks; in these bounds it is the time in which a file settles."""

_DEADLINE = (
    "{{ ([dag_run.run_after, dag_run.start_date or dag_run.run_after] | max"
    " + macros.timedelta(minutes=%d)).isoformat() }}"
)
"""A run that starts late, or is cleared after it ended, waits from its start, not from the date of its schedule."""


class PaymentFileSensor(BaseSensorOperator):
    """Waits until files of a profile are ready to be read, and returns their names, oldest first.

    The scheduler hands the wait to the triggerer (`PaymentFileTrigger`) without a worker. When the wait ends,
    a worker runs `execute_complete`. Without a file by the deadline the task is skipped or fails, as the profile says.
    """

    template_fields = ("deadline",)
    start_from_trigger = True

    def __init__(self, *, profile: Profile, **arguments: Any) -> None:  # noqa: ANN401  passed on to Airflow
        super().__init__(**arguments)
        section = profile.import_
        self.profile = profile
        self.deadline = _DEADLINE % section.timeout_minutes
        classpath, trigger_arguments = self._trigger().serialize()
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls=classpath, trigger_kwargs=trigger_arguments, next_method=self.execute_complete.__name__
        )

    def execute(self, context: Context) -> NoReturn:  # noqa: ARG002
        """Starts the same wait from a worker, as `airflow tasks test` does."""
        self.defer(trigger=self._trigger(), method_name=self.execute_complete.__name__)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:  # noqa: ANN401
        """Records how long the task has waited, and the error if the wait or the trigger failed."""
        with record_task_of_run(self.task_id, self.profile, Job.IMPORT, context, since=context["ti"].start_date):
            return super().resume_execution(next_method, next_kwargs, context)

    def execute_complete(self, context: Context, event: WaitResult) -> list[str]:  # noqa: ARG002
        """Returns the names of the files that are ready.

        Raises:
            AirflowSkipException: the deadline has passed, and the profile does without a file.
            AirflowSensorTimeout: the deadline has passed, and the profile needs a file; Airflow does not retry it.
            TransientError: the last look before the deadline failed; each retry looks once more.
            BursarError: a person has to act.
        """
        clear_work_dirs(ledger_engine(ledger_url()), load_settings(INCLUDE / "bursar.yaml").work_dir)
        if failure := event.get("failure"):
            raise BursarError(failure)
        section = self.profile.import_
        folder = f"{section.input_file_path} of the connection {self.profile.sftp_connection}"
        if error := event.get("last_error"):
            raise TransientError(
                f"The waiting time of {pluralize(section.timeout_minutes, 'minute')} is over, and the last look into "
                f"{folder} failed, so it is unknown whether a file is there. Nothing was imported. "
                f"The error was: {error}"
            )
        if files := event.get("files"):
            return files
        marker = f" with {section.done_file_suffix} beside it" if section.done_file_suffix else ""
        message = (
            f"Within {pluralize(section.timeout_minutes, 'minute')} no file was ready in {folder} called "
            f"{' or '.join(section.file_patterns)}{marker}. Nothing was imported; the next run looks again."
        )
        if section.on_timeout == "skip":
            raise AirflowSkipException(message)
        raise AirflowSensorTimeout(f"{message} Ask the bursar for the file.")

    def _trigger(self) -> PaymentFileTrigger:
        return PaymentFileTrigger(
            profile_code=self.profile.code,
            connection_id=self.profile.sftp_connection,
            deadline=self.deadline,
            seconds_between_looks=max(MIN_SECONDS, min(MAX_SECONDS, self.profile.import_.stable_for_seconds)),
        )
