"""Resends: a person has the file of a closed batch sent again, with the same bytes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from bursar.errors import BatchError, RemoteFolderError
from bursar.exports.close import close_fines
from bursar.exports.recover import clear_work_dirs
from bursar.exports.resend import resend_batch
from bursar.exports.selection import select_fines
from bursar.exports.upload import upload_file
from bursar.ledger.batches import Batch
from bursar.remote_files.base import RemoteFolder
from tests.support.export_server import ExportServer
from tests.support.fault_injection import KilledError
from tests.support.fixtures import NOW, Library, make_profile, make_settings


@pytest.fixture
def closed_batch(library: Library, bursar: ExportServer, tmp_path: Path) -> Batch:
    """Returns a batch that was delivered and closed."""
    library.fine(item=library.item())
    library.fine()
    found = select_fines(library.ledger, make_profile(), make_settings(), run_id="first", as_of=NOW)
    upload_file(library.ledger, found.id, bursar.open(), tmp_path)
    return close_fines(library.ledger, found.id)


def take_file(bursar: ExportServer, closed_batch: Batch) -> bytes:
    """Removes the delivered file from the server, as the bursar does; returns its content."""
    file = bursar.folder / "out" / closed_batch.file_name
    data = file.read_bytes()
    file.unlink()
    return data


def resend(
    library: Library,
    bursar: ExportServer,
    closed_batch: Batch,
    staging: Path,
    run_id: str = "again",
    **fault: bool | int,
) -> None:
    resend_batch(
        library.ledger,
        "STUDENTS",
        closed_batch.id,
        run_id=run_id,
        requested_by="librarian",
        open_folder=bursar.open(**fault),  # type: ignore[arg-type]
        work_dir=staging,
    )


def test_a_resend_uploads_the_same_bytes_and_changes_no_fine(
    library: Library, bursar: ExportServer, closed_batch: Batch, tmp_path: Path
) -> None:
    first = take_file(bursar, closed_batch)
    journal = library.one("SELECT count(*) FROM journal_entries")

    resend(library, bursar, closed_batch, tmp_path / "another worker")

    assert bursar.files() == {closed_batch.file_name: first}
    assert library.one("SELECT count(*) FROM journal_entries") == journal
    assert library.one("SELECT count(*) FROM batch_claims") == 0
    delivery = (
        "SELECT requested_by || ', ' || run_id || ', ' || state || ', ' || remote_folder"
        " FROM deliveries WHERE kind = 'resend'"
    )
    assert library.one(delivery) == f"librarian, again, DELIVERED, sftp://{bursar.host}/out"


def test_a_repeated_task_resends_once_and_another_run_resends_again(
    library: Library, bursar: ExportServer, closed_batch: Batch, tmp_path: Path
) -> None:
    first = take_file(bursar, closed_batch)
    resend(library, bursar, closed_batch, tmp_path)
    take_file(bursar, closed_batch)

    resend(library, bursar, closed_batch, tmp_path)
    assert bursar.files() == {}
    resend(library, bursar, closed_batch, tmp_path, run_id="once more")
    assert bursar.files() == {closed_batch.file_name: first}


@pytest.mark.parametrize("after_the_call", [False, True])
@pytest.mark.parametrize("kill_at", range(6))  # size, size, write, size, rename, size
def test_a_resend_that_is_killed_and_repeated_sends_the_file_once(
    library: Library, bursar: ExportServer, closed_batch: Batch, tmp_path: Path, kill_at: int, after_the_call: bool
) -> None:
    first = take_file(bursar, closed_batch)
    with pytest.raises(KilledError):
        resend(library, bursar, closed_batch, tmp_path, kill_at=kill_at, after_the_call=after_the_call)

    resend(library, bursar, closed_batch, tmp_path)

    assert bursar.files() == {closed_batch.file_name: first}


def test_a_file_that_is_still_on_the_server_is_not_resent(
    library: Library, bursar: ExportServer, closed_batch: Batch, tmp_path: Path
) -> None:
    with pytest.raises(RemoteFolderError, match="is still in sftp://.*not collected it yet"):
        resend(library, bursar, closed_batch, tmp_path)


def test_a_resend_to_another_folder_is_an_error(
    library: Library, bursar: ExportServer, closed_batch: Batch, tmp_path: Path
) -> None:
    library._run("UPDATE deliveries SET remote_folder = 'sftp://elsewhere/out'")  # noqa: SLF001
    with pytest.raises(BatchError, match="uploaded to sftp://elsewhere/out, but connection bursar_banner now leads"):
        resend(library, bursar, closed_batch, tmp_path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("profile = 'STAFF'", "belongs to the profile STAFF, not to STUDENTS"),
        (
            "closed_at = NULL",
            "is delivered, and only a closed batch with fines can be sent again",
        ),
        ("closed_at = NULL, released_at = now()", "is released, and only"),
        ("fines = 0", "is empty, and only"),
    ],
)
def test_only_a_closed_batch_of_the_profile_is_resent(
    library: Library,
    owned_ledger: Engine,
    bursar: ExportServer,
    closed_batch: Batch,
    tmp_path: Path,
    change: str,
    reason: str,
) -> None:
    with owned_ledger.begin() as connection:
        connection.execute(text(f"UPDATE batches SET {change}"))
    with pytest.raises(BatchError, match=reason):
        resend(library, bursar, closed_batch, tmp_path)
    assert library.one("SELECT count(*) FROM deliveries WHERE kind = 'resend'") == 0


def test_a_sweep_during_a_resend_does_not_remove_its_file(
    library: Library, bursar: ExportServer, closed_batch: Batch, tmp_path: Path
) -> None:
    """A purge on the same machine simultaneously removes the working files of completed exports."""
    first = take_file(bursar, closed_batch)

    @contextmanager
    def open_folder(found: Batch) -> Iterator[RemoteFolder]:
        clear_work_dirs(library.ledger, tmp_path)
        with bursar.open()(found) as folder:
            yield folder

    resend_batch(
        library.ledger,
        "STUDENTS",
        closed_batch.id,
        run_id="again",
        requested_by="librarian",
        open_folder=open_folder,
        work_dir=tmp_path / "STUDENTS",
    )
    assert bursar.files() == {closed_batch.file_name: first}
    assert list((tmp_path / "STUDENTS").iterdir()) == []
