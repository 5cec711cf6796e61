"""The stages of both DAGs, called as the tasks call them, each in its own process."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from bursar.airflow.connections import ledger_url, open_folder
from bursar.db.engine import ledger_engine
from bursar.errors import InputFileError
from bursar.exports import build, close, recover, resend, selection, upload
from bursar.imports import apply, archive, detect, load, rejects
from bursar.ledger.batches import Batch, BatchState
from bursar.profiles import Profile, Settings
from bursar.remote_files.base import RemoteFolder
from bursar.users import purging, waiving
from tests.campaign import product

EXPORT = ("recover", "select", "build", "upload", "close")
IMPORT = ("detect", "load_file", "apply", "archive")


@dataclass(frozen=True)
class Stages:
    """The stages of one profile on one machine; `work_dir` is its working directory."""

    profile: Profile
    settings: Settings
    work_dir: Path
    as_of: datetime

    def named(self, name: str) -> Callable[..., Any]:
        """Returns the stage of a name."""
        stage: Callable[..., Any] = getattr(self, name)
        return stage

    def recover(self, run_id: str) -> list[int]:
        """Recovers the batches that earlier runs have left; returns their ids."""
        ended = recover.recover_unfinished_batches(
            _engine(),
            self.profile.code,
            run_id=run_id,
            is_running=lambda _: False,  # an export has one active run, so no other one is running
            open_folder=self._output_folder,
            work_dir=self.work_dir,
            settings=self.profile.export.upload,
        )
        return [batch.id for batch in ended]

    def select(self, run_id: str) -> tuple[int, int]:
        """Selects the fines that are due; returns the batch and its number of fines."""
        batch = selection.select_fines(_engine(), self.profile, self.settings, run_id=run_id, as_of=self.as_of)
        return batch.id, batch.fines

    def build(self, batch: int) -> list[str]:
        """Builds the files; returns their SHA-256."""
        return [file.sha256 for file in build.build_files(_engine(), batch, self.work_dir)]

    def upload(self, batch: int) -> str:
        """Uploads the file; returns its name."""
        settings = self.profile.export.upload
        return upload.upload_file(_engine(), batch, self._output_folder, self.work_dir, settings).file_name

    def close(self, batch: int) -> str:
        """Closes the fines of the batch."""
        return close.close_fines(_engine(), batch).state

    def resend(self, batch: int, run_id: str) -> str:
        """Sends the file of a closed batch again."""
        sent = resend.resend_batch(
            _engine(),
            self.profile.code,
            batch,
            run_id=run_id,
            requested_by="campaign",
            open_folder=self._output_folder,
            work_dir=self.work_dir,
            settings=self.profile.export.upload,
        )
        return sent.file_name

    def detect(self) -> list[str]:
        """Returns the payment files that are ready."""
        with self._input_folder() as folder:
            return detect.select_ready_files(_engine(), detect.WatchedFolder.of_import(self.profile), folder.files())

    def load_file(self, name: str, run_id: str) -> int:
        """Loads a file; archives it if it is rejected."""
        engine = _engine()
        with self._input_folder() as folder:
            try:
                return load.load_file(
                    engine, self.profile, name, run_id=run_id, folder=folder, work_dir=self.work_dir
                ).id
            except InputFileError:
                archive.archive_file(engine, self.profile, name, run_id=run_id, folder=folder)
                raise

    def apply(self, file: int, run_id: str) -> str:
        """Applies a file."""
        return apply.apply_payments(_engine(), file, run_id=run_id).state

    def archive(self, file: int, name: str, run_id: str) -> str | None:
        """Saves the rejects of a file and archives it."""
        engine = _engine()
        rejects.save_rejects(engine, file, self.work_dir / "rejects")
        with self._input_folder() as folder:
            return archive.archive_file(engine, self.profile, name, run_id=run_id, folder=folder)

    def purge(self, run_id: str) -> int:
        """Deletes the users whose date has passed."""
        choices = purging.PurgeParams(dry_run=False)
        settings = self.settings.model_copy(update={"work_dir": self.work_dir.parent})
        return purging.purge_users(_engine(), choices, settings, run_id=run_id, as_of=self.as_of).users

    def waive_small(self, run_id: str, threshold: int) -> int:
        """Waives the fines of users who owe less than a threshold."""
        choices = waiving.WaiveParams(threshold=threshold, reason="small", dry_run=False)
        return waiving.waive_fines(_engine(), choices, self.settings, run_id=run_id, as_of=self.as_of).fines

    def confirm(self, batch: int) -> None:
        """Confirms that the bursar has the file."""
        product.confirm_delivered(_engine(), batch)

    def repeat(self, batch: int) -> None:
        """Confirms that the bursar does not have the unclear files, and has them sent again."""
        product.repeat_upload(_engine(), batch)

    def release(self, batch: int) -> None:
        """Releases a batch, confirming that the bursar has not received the file."""
        product.release(_engine(), batch)

    def decide(self, file: int, record: int, *, is_released: bool) -> str | None:
        """Releases or rejects an overpayment beyond the limit."""
        return product.decide_overpayment(_engine(), file, record, is_released=is_released)

    def _output_folder(self, batch: Batch) -> AbstractContextManager[RemoteFolder]:
        may_create = self.profile.export.create_missing_folder and batch.state is not BatchState.PART_COMPLETE
        return open_folder(
            batch.sftp_connection, batch.output_file_path, may_create=may_create, limits=product.SERVER_LIMITS
        )

    def _input_folder(self) -> AbstractContextManager[RemoteFolder]:
        path = self.profile.import_.input_file_path
        return open_folder(self.profile.sftp_connection, path, may_create=False, limits=product.SERVER_LIMITS)


def _engine() -> Engine:
    return ledger_engine(ledger_url())
