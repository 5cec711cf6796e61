"""A run of a job of a profile: the first argument of the tasks of its DAG."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from airflow.sdk import Context
from sqlalchemy import Engine

from bursar.airflow import connections
from bursar.airflow.profile_store import keep_revision
from bursar.db.engine import ledger_engine
from bursar.ledger.jobs import InboxJob, ProfileJob
from bursar.profiles import Profile, Settings
from bursar.remote_files.base import RemoteFolder


@dataclass(frozen=True, kw_only=True)
class ProfileRun:
    """A run of a job of a profile. Each job has a class of its own."""

    job: ClassVar[ProfileJob]

    profile: Profile
    settings: Settings
    engine: Engine
    run_id: str

    @classmethod
    def from_context(cls, profile: Profile, settings: Settings, context: Context) -> Self:
        """Makes the run that a task belongs to. It keeps the revision of the profile with which it started.

        Raises:
            BursarError: the parameters of the run are wrong, or there is no connection to the ledger.
        """
        engine, run_id = ledger_engine(connections.ledger_url()), context["run_id"]
        profile = keep_revision(engine, settings, profile, cls.job, run_id)
        return cls(profile=profile, settings=settings, engine=engine, run_id=run_id, **cls._read(context, profile))

    @classmethod
    def _read(cls, context: Context, profile: Profile) -> dict[str, Any]:  # noqa: ARG003
        """Returns the fields of the job's class from Airflow's context."""
        return {}


@dataclass(frozen=True, kw_only=True)
class InboxRun(ProfileRun):
    """A run of a job that takes files of the bursar."""

    job: ClassVar[InboxJob]

    def open_folder(self) -> AbstractContextManager[RemoteFolder]:
        """Opens the remote folder that the bursar writes the files to."""
        return connections.open_folder(
            self.profile.sftp_connection,
            self.profile.inboxes[self.job.value].input_file_path,
            may_create=False,
            limits=self.settings.server_limits,
        )
