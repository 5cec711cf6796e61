"""The part of a sensor that waits for files. While it waits, it occupies no worker and no process."""

from abc import abstractmethod
from typing import Any, NoReturn, Protocol

from airflow.sdk import BaseSensorOperator, Context
from airflow.sdk.exceptions import AirflowSensorTimeout, AirflowSkipException
from airflow.triggers.base import StartTriggerArgs
from sqlalchemy import Engine

from bursar.airflow.connections import ledger_url
from bursar.airflow.file_trigger import FileTrigger, WaitResult
from bursar.airflow.report_task import record_task_of_run
from bursar.airflow.task_failure import log_known_errors
from bursar.db.engine import ledger_engine
from bursar.errors import BursarError, TransientError
from bursar.exports.recover import clear_work_dirs
from bursar.ledger.jobs import Job
from bursar.money import pluralize
from bursar.profiles import INCLUDE, Settings, load_settings
from bursar.profiles.job_owner import JobOwner

MIN_SECONDS, MAX_SECONDS = 5, 60
"""Limits of the pause between two checks, which otherwise is the time for which a file has to be stable."""

_DEADLINE = (
    "{{ ([dag_run.run_after, dag_run.start_date or dag_run.run_after] | max"
    " + macros.timedelta(minutes=%d)).isoformat() }}"
)
"""The template of the deadline. The time counts from the date of the run, or from its start if it starts later."""


class WaitSettings(Protocol):
    """The settings of a wait: the import section of a profile, or a source."""

    @property
    def timeout_minutes(self) -> int:
        """How long a run waits."""

    @property
    def on_timeout(self) -> str:
        """`skip` or `fail`: how a run without a file ends."""

    @property
    def done_file_suffix(self) -> str | None:
        """The suffix of files that declare others complete."""

    @property
    def stable_for_seconds(self) -> int:
        """How long a file must not have changed otherwise."""


class FileSensor(BaseSensorOperator):
    """Waits until files are ready to be loaded, and returns what its trigger found.

    The scheduler starts the trigger in the triggerer without a worker. When the wait ends, a worker runs
    `execute_complete`. If no file is ready by the deadline, the task is skipped or fails, as `wait` says.

    Args:
        job_owner: the profile or source whose job waits.
        job: the job.
        wait: the settings of the wait.
        arguments: passed on to Airflow.
    """

    template_fields = ("deadline",)
    start_from_trigger = True
    advice: str
    """What a person does if files had to come."""

    def __init__(self, *, job_owner: JobOwner, job: Job, wait: WaitSettings, **arguments: Any) -> None:  # noqa: ANN401
        super().__init__(**arguments)
        self.job_owner, self.job, self.wait = job_owner, job, wait
        self.deadline = _DEADLINE % wait.timeout_minutes
        classpath, trigger_arguments = self.make_trigger().serialize()
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls=classpath, trigger_kwargs=trigger_arguments, next_method=self.execute_complete.__name__
        )

    @property
    def trigger_arguments(self) -> dict[str, Any]:
        """The arguments of the trigger that every wait has."""
        return {
            "code": self.job_owner.code,
            "deadline": self.deadline,
            "check_interval_seconds": max(MIN_SECONDS, min(MAX_SECONDS, self.wait.stable_for_seconds)),
        }

    @abstractmethod
    def make_trigger(self) -> FileTrigger:
        """Returns the trigger, with the deadline of this task."""

    @abstractmethod
    def describe_folder(self) -> str:
        """Returns where the files are expected, in words."""

    @abstractmethod
    def describe_files(self) -> str:
        """Returns the patterns of the names of the files, in words."""

    def remove_kept_files(self, engine: Engine, settings: Settings) -> None:
        """Removes files from this machine that killed workers have left, and that the ledger has."""

    def execute(self, context: Context) -> NoReturn:  # noqa: ARG002
        """Starts the same wait from a worker; only `airflow tasks test` calls this."""
        self.defer(trigger=self.make_trigger(), method_name=self.execute_complete.__name__)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:  # noqa: ANN401
        """Records how long the task has waited, and its error if the wait or the trigger has failed."""
        since = context["ti"].start_date
        with log_known_errors(), record_task_of_run(self.task_id, self.job_owner, self.job, context, since=since):
            return super().resume_execution(next_method, next_kwargs, context)

    def execute_complete(self, context: Context, event: WaitResult) -> list[Any]:  # noqa: ARG002
        """Returns the files that are ready.

        Raises:
            AirflowSkipException: the deadline has passed without a file, and `on_timeout` is `skip`.
            AirflowSensorTimeout: the deadline has passed without a file, and `on_timeout` is `fail`. No retry.
            TransientError: the last check before the deadline failed; each retry checks once more.
            BursarError: a check failed with an error that needs a person.
        """
        engine, settings = ledger_engine(ledger_url()), load_settings(INCLUDE / "bursar.yaml")
        clear_work_dirs(engine, settings.work_dir)
        self.remove_kept_files(engine, settings)
        if failure := event.get("failure"):
            raise BursarError(failure)
        minutes, folder = pluralize(self.wait.timeout_minutes, "minute"), self.describe_folder()
        done = {Job.IMPORT: "imported", Job.STATEMENT: "compared"}.get(self.job, "loaded")
        nothing = f"Nothing was {done}."
        if error := event.get("last_error"):
            raise TransientError(
                f"The waiting time of {minutes} has ended, and the last check of {folder} failed, so it is unknown "
                f"whether there is a file. {nothing} The error was: {error}"
            )
        if files := event.get("files"):
            return files
        done_file = f" with a {self.wait.done_file_suffix} file" if self.wait.done_file_suffix else ""
        message = (
            f"Within {minutes} no file named {self.describe_files()}{done_file} was ready in {folder}. {nothing} The "
            "next run waits again."
        )
        if self.wait.on_timeout == "skip":
            raise AirflowSkipException(message)
        raise AirflowSensorTimeout(f"{message} {self.advice}")
