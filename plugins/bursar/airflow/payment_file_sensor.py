"""The sensor that waits for payment files. While it waits, it occupies no worker and no process."""

from typing import Any, NoReturn

from airflow.sdk import BaseSensorOperator, Context
from airflow.sdk.exceptions import AirflowSensorTimeout, AirflowSkipException
from airflow.triggers.base import StartTriggerArgs

from bursar.airflow.config import work_dir
from bursar.airflow.connections import ledger_url
from bursar.airflow.payment_file_trigger import PaymentFileTrigger, WaitResult
from bursar.airflow.report_task import record_task_of_run
from bursar.airflow.task_failure import log_known_errors
from bursar.db.engine import ledger_engine
from bursar.errors import BursarError, TransientError
from bursar.exports.recover import clear_work_dirs
from bursar.imports.load import remove_loaded_downloads
from bursar.ledger.jobs import Job
from bursar.money import pluralize
from bursar.profiles import INCLUDE, Profile, load_settings

MIN_SECONDS, MAX_SECONDS = 5, 60
"""Limits of the pause between two checks, which otherwise is the time for which a file has to be stable."""

_DEADLINE = (
    "{{ ([dag_run.run_after, dag_run.start_date or dag_run.run_after] | max"
    " + macros.timedelta(minutes=%d)).isoformat() }}"
)
"""The template of the deadline. The time counts from the date of the run, or from its start if it starts later."""


class PaymentFileSensor(BaseSensorOperator):
    """Waits until payment files of a profile are ready to be loaded, and returns their names, oldest first.

    The scheduler starts `PaymentFileTrigger` in the triggerer without a worker. When the wait ends, a worker runs
    `execute_complete`. If no file is ready by the deadline, the task is skipped or fails, as the profile says.
    """

    template_fields = ("deadline",)
    start_from_trigger = True

    def __init__(self, *, profile: Profile, **arguments: Any) -> None:  # noqa: ANN401
        super().__init__(**arguments)
        section = profile.import_
        self.profile = profile
        self.deadline = _DEADLINE % section.timeout_minutes
        classpath, trigger_arguments = self._trigger().serialize()
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls=classpath, trigger_kwargs=trigger_arguments, next_method=self.execute_complete.__name__
        )

    def execute(self, context: Context) -> NoReturn:  # noqa: ARG002
        """Starts the same wait from a worker; only `airflow tasks test` calls this."""
        self.defer(trigger=self._trigger(), method_name=self.execute_complete.__name__)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:  # noqa: ANN401
        """Records how long the task has waited, and its error if the wait or the trigger has failed."""
        since = context["ti"].start_date
        with log_known_errors(), record_task_of_run(self.task_id, self.profile, Job.IMPORT, context, since=since):
            return super().resume_execution(next_method, next_kwargs, context)

    def execute_complete(self, context: Context, event: WaitResult) -> list[str]:  # noqa: ARG002
        """Returns the names of the files that are ready.

        Raises:
            AirflowSkipException: the deadline has passed without a file, and `on_timeout` of the profile is `skip`.
            AirflowSensorTimeout: the deadline has passed without a file, and `on_timeout` is `fail`. No retry.
            TransientError: the last check before the deadline failed; each retry checks once more.
            BursarError: a check failed with an error that needs a person.
        """
        engine, settings = ledger_engine(ledger_url()), load_settings(INCLUDE / "bursar.yaml")
        clear_work_dirs(engine, settings.work_dir)
        remove_loaded_downloads(engine, self.profile.code, work_dir(settings, self.profile))
        if failure := event.get("failure"):
            raise BursarError(failure)
        section = self.profile.import_
        folder = f"{section.input_file_path} of the connection {self.profile.sftp_connection}"
        if error := event.get("last_error"):
            raise TransientError(
                f"The waiting time of {pluralize(section.timeout_minutes, 'minute')} has ended, and the last check of "
                f"{folder} failed, so it is unknown whether there is a file. Nothing was imported. "
                f"The error was: {error}"
            )
        if files := event.get("files"):
            return files
        done_file = f" with a {section.done_file_suffix} file" if section.done_file_suffix else ""
        message = (
            f"Within {pluralize(section.timeout_minutes, 'minute')} no file named "
            f"{' or '.join(section.file_patterns)}{done_file} was ready in {folder}. Nothing was imported. The "
            "next run waits again."
        )
        if section.on_timeout == "skip":
            raise AirflowSkipException(message)
        raise AirflowSensorTimeout(f"{message} Ask the bursar for the file.")

    def _trigger(self) -> PaymentFileTrigger:
        return PaymentFileTrigger(
            profile_code=self.profile.code,
            connection_id=self.profile.sftp_connection,
            deadline=self.deadline,
            check_interval_seconds=max(MIN_SECONDS, min(MAX_SECONDS, self.profile.import_.stable_for_seconds)),
        )
