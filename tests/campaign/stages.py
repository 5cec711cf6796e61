"""The stages of both DAGs as functions of plain values, each for a process of its own, as the tasks call them."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from bursar.errors import InputFileError
from bursar.exchange.folder import RemoteFolder
from bursar.exporting import closing, delivery, document, resending, selection
from bursar.importing import application, arrival, intake, putting_away, rejects
from bursar.ledger.batches import Batch, State
from bursar.ledger.connection import ledger_engine
from bursar.orchestration.connections import ledger_url, open_folder
from bursar.profiles import Profile, Settings
from bursar.users import purging, waiving
from tests.campaign import product

EXPORT = ("recover", "select", "build", "upload", "close")
IMPORT = ("detect", "read", "apply", "archive")


@dataclass(frozen=True)
class Stages:
    """The stages of one profile on one machine, whose working files are in `work_dir`."""

    profile: Profile
    settings: Settings
    work_dir: Path
    as_of: datetime

    def named(self, name: str) -> Callable[..., Any]:
        """The stage of a name."""
        stage: Callable[..., Any] = getattr(self, name)
        return stage

    def recover(self, run: str) -> list[int]:
        """Ends what earlier runs have left."""
        ended = closing.finish_earlier_batches(
            _engine(),
            self.profile.code,
            run=run,
            is_running=lambda _: False,  # an export has one active run; whatever another left is not running
            open_folder=self._output_folder,
            work_dir=self.work_dir,
        )
        return [batch.id for batch in ended]

    def select(self, run: str) -> tuple[int, int]:
        """Selects the fines that are due; returns the batch and how many fines it has."""
        batch = selection.select_fines(_engine(), self.profile, self.settings, run=run, as_of=self.as_of)
        return batch.id, batch.fines

    def build(self, batch: int) -> str:
        """Builds the file; returns its SHA-256."""
        return document.build_document(_engine(), batch, self.work_dir).sha256

    def upload(self, batch: int) -> str:
        """Brings the file to the bursar's server; returns its name."""
        return delivery.deliver(_engine(), batch, self._output_folder, self.work_dir).file_name

    def close(self, batch: int) -> str:
        """Closes the fines of the batch."""
        return closing.close_fines(_engine(), batch).state

    def resend(self, batch: int, run: str) -> str:
        """Sends the file of a closed batch again."""
        sent = resending.send_again(
            _engine(),
            self.profile.code,
            batch,
            run=run,
            requested_by="campaign",
            open_folder=self._output_folder,
            work_dir=self.work_dir,
        )
        return sent.file_name

    def detect(self) -> list[str]:
        """Looks for payment files that are ready."""
        with self._input_folder() as folder:
            return arrival.arrived(_engine(), self.profile, folder.files())

    def read(self, name: str, run: str) -> int:
        """Brings the records of a file into the ledger."""
        engine = _engine()
        with self._input_folder() as folder:
            try:
                return intake.read_file(engine, self.profile, name, run=run, folder=folder, work_dir=self.work_dir).id
            except InputFileError:
                putting_away.put_away(engine, self.profile, name, run=run, folder=folder)
                raise

    def apply(self, file: int, run: str) -> str:
        """Pays the fines of a file."""
        return application.apply_payments(_engine(), file, run=run).state

    def archive(self, file: int, name: str, run: str) -> str | None:
        """Lists the records without effect and moves the file away."""
        engine = _engine()
        rejects.save_rejects(engine, file, self.work_dir / "rejects")
        with self._input_folder() as folder:
            return putting_away.put_away(engine, self.profile, name, run=run, folder=folder)

    def purge(self, run: str) -> int:
        """Deletes the users whose date has passed."""
        choices = purging.PurgeChoices(dry_run=False)
        settings = self.settings.model_copy(update={"staging_folder": self.work_dir.parent})
        return purging.purge_users(_engine(), choices, settings, run=run, as_of=self.as_of).users

    def waive_small(self, run: str, threshold: int) -> int:
        """Waives the fines of users who owe little."""
        choices = waiving.WaiveChoices(threshold=threshold, reason="small", dry_run=False)
        return waiving.waive_fines(_engine(), choices, self.settings, run=run, as_of=self.as_of).fines

    def confirm(self, batch: int) -> None:
        """A person says that the bursar has the file."""
        product.confirm_delivered(_engine(), batch)

    def release(self, batch: int) -> None:
        """A person says that the bursar has not got the file."""
        product.release(_engine(), batch)

    def _output_folder(self, batch: Batch) -> AbstractContextManager[RemoteFolder]:
        may_create = self.profile.export.may_create_folder and batch.state is not State.PART_COMPLETE
        return open_folder(batch.sftp_connection, batch.output_file_path, may_create=may_create)

    def _input_folder(self) -> AbstractContextManager[RemoteFolder]:
        return open_folder(self.profile.sftp_connection, self.profile.import_.input_file_path, may_create=False)


def _engine() -> Engine:
    return ledger_engine(ledger_url())
