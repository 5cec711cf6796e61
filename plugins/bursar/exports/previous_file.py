"""The previous file: a file of an earlier export that the bursar has not collected from the output folder yet."""

from sqlalchemy import Engine

from bursar.db.queries import query
from bursar.errors import PreviousFileError, TransientError
from bursar.exports.upload_attempts import Upload
from bursar.ledger.batches import Batch
from bursar.remote_files.base import RemoteFolder


def find_previous_files(engine: Engine, batch: Batch, folder: RemoteFolder) -> list[str]:
    """Returns the names of the files in the output folder that are of other batches of the profile, oldest first.

    Every entry of such a name counts, because some servers do not say whether an entry is a file.
    """
    names = [entry.name for entry in folder.files()]
    with engine.connect() as connection:
        facts = {"profile": batch.profile, "batch_id": batch.id, "names": names}
        return list(connection.scalars(query("exports/list_previous_files"), facts))


def check_no_previous_file(upload: Upload) -> None:
    """Checks that the bursar has collected the files of earlier exports, if the profile asks for it.

    Raises:
        PreviousFileError: one is there, and the profile says `fail`.
        TransientError: one is there, and the profile says `wait`.
    """
    policy = upload.server.settings.previous_file
    if policy == "ignore":
        return
    if names := find_previous_files(upload.engine, upload.batch, upload.server.folder):
        message = f"{describe_previous_files(names, upload.address)} {upload.file_name} was not uploaded."
        if policy == "wait":
            raise TransientError(f"{message} The upload is tried again.")
        raise PreviousFileError(
            f"{message} Ask the bursar to collect it, then clear this task. With `previous_file: wait` in the profile "
            "the next export waits for that."
        )


def describe_previous_files(names: list[str], address: str) -> str:
    """Returns the sentence that says which files are still in the output folder."""
    more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
    return f"{names[0]}{more} of an earlier export is still in {address}: the bursar has not collected it yet."
