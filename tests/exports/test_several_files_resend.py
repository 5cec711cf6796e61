"""Resends of batches with several files: all or those that a person names, each once more, whatever is killed."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import text

from bursar.db.queries import query
from bursar.errors import BatchError, RemoteFolderError
from bursar.exports.close import close_fines
from bursar.exports.resend import resend_batch
from bursar.exports.upload import upload_file
from bursar.layouts.layout import Layout
from bursar.ledger.batches import Batch
from bursar.reporting.build_report import build_export_report
from tests.support.export_server import ExportServer
from tests.support.fault_injection import KilledError
from tests.support.fixtures import NOW, Library
from tests.support.several_files import APART, is_each_exported_once, select_apart

Write = Callable[[str], Layout]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("kill_at", [0, 1, 4, 7, 11, 14, 18, 20])
def test_a_resend_that_is_killed_and_repeated_sends_each_file_once_more(
    library: Library,
    bursar: ExportServer,
    apart: Batch,
    contents: dict[str, bytes],
    tmp_path: Path,
    kill_at: int,
    after: bool,
) -> None:
    upload_file(library.ledger, apart.id, bursar.open(), tmp_path)
    close_fines(library.ledger, apart.id)
    with pytest.raises(RemoteFolderError, match="is still in .*: the bursar has not collected it yet"):
        _resend(library, bursar, apart, tmp_path)
    for name in bursar.files():
        (bursar.folder / "out" / name).unlink()
    with suppress(KilledError):
        _resend(library, bursar, apart, tmp_path, kill_at=kill_at + 3, after_the_call=after)
    _resend(library, bursar, apart, tmp_path)
    _resend(library, bursar, apart, tmp_path)
    assert bursar.files() == contents
    assert library.one("SELECT count(delivered_at) FROM deliveries WHERE kind = 'resend'") == 3
    assert is_each_exported_once(library, apart)


def test_a_person_chooses_the_files_that_are_sent_again(
    library: Library, bursar: ExportServer, apart: Batch, contents: dict[str, bytes], tmp_path: Path
) -> None:
    upload_file(library.ledger, apart.id, bursar.open(), tmp_path)
    close_fines(library.ledger, apart.id)
    _, credits_, done = (file.name for file in apart.files)
    with pytest.raises(BatchError, match=f"has no file other.csv. It was sent as {apart.file_name}"):
        _resend(library, bursar, apart, tmp_path, file_names=("other.csv", credits_))
    for name in (credits_, done):
        (bursar.folder / "out" / name).unlink()
    _resend(library, bursar, apart, tmp_path, file_names=(done, credits_))  # the charges are still there
    assert bursar.files() == contents
    resent = "SELECT array_agg(file_number ORDER BY file_number) FROM deliveries WHERE kind = 'resend'"
    assert library.one(resent) == [2, 3]
    with library.ledger.connect() as connection:
        resends = connection.execute(query("commands/list_resends_of_batch"), {"batch_id": apart.id}).all()
        of_lines = {
            (
                line.amount > 0,
                connection.execute(query("commands/list_resends_of_fine"), {"fine_id": line.fine_id}).first() is None,
            )
            for line in connection.execute(
                text("SELECT fine_id, amount FROM batch_lines WHERE batch_id = :id"), {"id": apart.id}
            )
        }
    assert [row.file_name for row in resends] == [f"{credits_}, {done}"]
    assert of_lines == {(True, True), (False, False)}
    report = build_export_report(library.ledger, "STUDENTS", run_id="again", started_at=NOW, failed=[])
    assert report.files == (credits_, done)
    assert f"{credits_}, {done} of batch {apart.id}" in " ".join(report.messages)


def test_a_file_is_not_resent_while_an_unfinished_batch_has_its_name(
    library: Library, bursar: ExportServer, write_layout: Write, tmp_path: Path
) -> None:
    write_layout(APART.replace("{batch}-credits.csv", "credits.csv"))
    library.fine()
    library.fine(amount="-1.00")
    first = select_apart(library)
    upload_file(library.ledger, first.id, bursar.open(), tmp_path)
    close_fines(library.ledger, first.id)
    for name in bursar.files():
        (bursar.folder / "out" / name).unlink()
    library.fine(amount="-2.00")
    other = select_apart(library, "run 2")
    with pytest.raises(BatchError, match=f"credits.csv is also that of batch {other.id} of STUDENTS, which is not"):
        _resend(library, bursar, first, tmp_path)
    assert bursar.files() == {}
    _resend(library, bursar, first, tmp_path, run_id="charges", file_names=(f"{first.id}-charges.csv",))
    assert list(bursar.files()) == [f"{first.id}-charges.csv"]


def test_a_run_that_is_repeated_with_another_file_records_each_under_its_own_delivery(
    library: Library, bursar: ExportServer, apart: Batch, contents: dict[str, bytes], tmp_path: Path
) -> None:
    upload_file(library.ledger, apart.id, bursar.open(), tmp_path)
    close_fines(library.ledger, apart.id)
    charges, credits_, _ = (file.name for file in apart.files)
    (bursar.folder / "out" / credits_).unlink()
    with pytest.raises(RemoteFolderError, match="is still in"):
        _resend(library, bursar, apart, tmp_path, file_names=(charges,))
    _resend(library, bursar, apart, tmp_path, file_names=(credits_,))
    assert bursar.files() == contents
    delivered = "SELECT array_agg(file_number) FROM deliveries WHERE kind = 'resend' AND delivered_at IS NOT NULL"
    assert library.one(delivered) == [2]


def _resend(
    library: Library,
    bursar: ExportServer,
    batch: Batch,
    work_dir: Path,
    *,
    kill_at: int | None = None,
    after_the_call: bool = False,
    run_id: str = "again",
    file_names: tuple[str, ...] = (),
) -> None:
    resend_batch(
        library.ledger,
        "STUDENTS",
        batch.id,
        run_id=run_id,
        requested_by="lea",
        file_names=file_names,
        open_folder=bursar.open(kill_at=kill_at, after_the_call=after_the_call),
        work_dir=work_dir,
    )
