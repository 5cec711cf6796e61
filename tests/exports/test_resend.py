"""The same bytes again, because a person asks for it."""

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
def sent(library: Library, bursar: ExportServer, tmp_path: Path) -> Batch:
    """A batch that was delivered, closed, and whose file the bursar then lost."""
    library.fine(item=library.item())
    library.fine()
    found = select_fines(library.ledger, make_profile(), make_settings(), run_id="first", as_of=NOW)
    upload_file(library.ledger, found.id, bursar.open(), tmp_path)
    return close_fines(library.ledger, found.id)


def content(bursar: ExportServer, sent: Batch) -> bytes:
    """The bytes that went out, which are then taken away."""
    file = bursar.folder / "out" / sent.file_name
    data = file.read_bytes()
    file.unlink()
    return data


def again(
    library: Library, bursar: ExportServer, sent: Batch, staging: Path, run_id: str = "again", **dies: bool | int
) -> None:
    resend_batch(
        library.ledger,
        "STUDENTS",
        sent.id,
        run_id=run_id,
        requested_by="librarian",
        open_folder=bursar.open(**dies),  # type: ignore[arg-type]
        work_dir=staging,
    )


def test_the_same_bytes_come_again_and_nothing_else_changes(
    library: Library, bursar: ExportServer, sent: Batch, tmp_path: Path
) -> None:
    first = content(bursar, sent)
    journal = library.one("SELECT count(*) FROM journal_entries")

    again(library, bursar, sent, tmp_path / "another worker")

    assert bursar.files() == {sent.file_name: first}
    assert library.one("SELECT count(*) FROM journal_entries") == journal
    assert library.one("SELECT count(*) FROM batch_claims") == 0
    asked = (
        "SELECT requested_by || ', ' || run_id || ', ' || state || ', ' || remote_folder"
        " FROM deliveries WHERE kind = 'resend'"
    )
    assert library.one(asked) == f"librarian, again, DELIVERED, sftp://{bursar.host}/out"


def test_a_repeated_task_sends_nothing_more_and_another_run_does(
    library: Library, bursar: ExportServer, sent: Batch, tmp_path: Path
) -> None:
    first = content(bursar, sent)
    again(library, bursar, sent, tmp_path)
    content(bursar, sent)

    again(library, bursar, sent, tmp_path)
    assert bursar.files() == {}
    again(library, bursar, sent, tmp_path, run_id="once more")
    assert bursar.files() == {sent.file_name: first}


@pytest.mark.parametrize("after_the_call", [False, True])
@pytest.mark.parametrize("dies_at", range(6))  # size, size, write, size, rename, size
def test_killed_anywhere_and_repeated_it_is_sent_once(
    library: Library, bursar: ExportServer, sent: Batch, tmp_path: Path, dies_at: int, after_the_call: bool
) -> None:
    first = content(bursar, sent)
    with pytest.raises(KilledError):
        again(library, bursar, sent, tmp_path, dies_at=dies_at, after_the_call=after_the_call)

    again(library, bursar, sent, tmp_path)

    assert bursar.files() == {sent.file_name: first}


def test_a_file_that_still_lies_there_is_not_sent_again(
    library: Library, bursar: ExportServer, sent: Batch, tmp_path: Path
) -> None:
    with pytest.raises(RemoteFolderError, match="is still in sftp://.*not collected it yet"):
        again(library, bursar, sent, tmp_path)


def test_it_goes_only_to_where_it_went(library: Library, bursar: ExportServer, sent: Batch, tmp_path: Path) -> None:
    library._run("UPDATE deliveries SET remote_folder = 'sftp://elsewhere/out'")  # noqa: SLF001
    with pytest.raises(BatchError, match="uploaded to sftp://elsewhere/out, but connection bursar_banner now leads"):
        again(library, bursar, sent, tmp_path)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("profile = 'STAFF'", "belongs to the profile STAFF, not to STUDENTS"),
        ("closed_at = NULL", "is DELIVERED, and only a closed batch with fines can be sent again"),
        ("closed_at = NULL, released_at = now()", "is RELEASED, and only"),
        ("fines = 0", "is empty, and only"),
    ],
)
def test_what_was_not_sent_by_this_profile_is_not_sent_again(
    library: Library,
    owned_ledger: Engine,
    bursar: ExportServer,
    sent: Batch,
    tmp_path: Path,
    change: str,
    complaint: str,
) -> None:
    with owned_ledger.begin() as connection:
        connection.execute(text(f"UPDATE batches SET {change}"))
    with pytest.raises(BatchError, match=complaint):
        again(library, bursar, sent, tmp_path)
    assert library.one("SELECT count(*) FROM deliveries WHERE kind = 'resend'") == 0


def test_a_sweep_during_a_resend_takes_nothing_away_from_it(
    library: Library, bursar: ExportServer, sent: Batch, tmp_path: Path
) -> None:
    """A purge removes the files of exports that have ended, on the same machine, at the same time."""
    first = content(bursar, sent)

    @contextmanager
    def open_folder(found: Batch) -> Iterator[RemoteFolder]:
        clear_work_dirs(library.ledger, tmp_path)
        with bursar.open()(found) as folder:
            yield folder

    resend_batch(
        library.ledger,
        "STUDENTS",
        sent.id,
        run_id="again",
        requested_by="librarian",
        open_folder=open_folder,
        work_dir=tmp_path / "STUDENTS",
    )
    assert bursar.files() == {sent.file_name: first}
    assert list((tmp_path / "STUDENTS").iterdir()) == []
