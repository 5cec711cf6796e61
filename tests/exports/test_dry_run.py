"""A dry run: all but the upload and the end, and nothing of it stays in the way."""

from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from bursar.errors import BatchError
from bursar.exports.build import build_file
from bursar.exports.close import close_fines
from bursar.exports.recover import recover_unfinished_batches, release_batch
from bursar.exports.selection import select_fines
from bursar.exports.upload import upload_file
from bursar.ledger.batches import Batch, BatchState
from tests.support.export_server import ExportServer
from tests.support.fixtures import NOW, Library, make_profile, make_settings, record_delivery


def selected(library: Library, run_id: str, *, dry_run: bool) -> Batch:
    return select_fines(library.ledger, make_profile(), make_settings(), run_id=run_id, as_of=NOW, dry_run=dry_run)


@pytest.fixture
def dry(library: Library) -> Batch:
    library.fine()
    library.fine()
    return selected(library, "dry", dry_run=True)


def test_it_says_what_would_go_and_holds_no_fine(library: Library, dry: Batch) -> None:
    assert (dry.state, dry.fines) == (BatchState.DRY_RUN, 2)
    assert library.one("SELECT count(*) FROM batch_claims") == 0
    assert selected(library, "real", dry_run=False).fines == 2


def test_its_file_is_whole_and_its_name_says_what_it_is(dry: Batch, library: Library, tmp_path: Path) -> None:
    built = build_file(library.ledger, dry.id, tmp_path / "one worker")
    again = build_file(library.ledger, dry.id, tmp_path / "another worker")

    assert built.path.name.endswith("-dry-run.xml")
    assert built.path.read_bytes() == again.path.read_bytes()
    assert b"<xb:sum>12.5</xb:sum>" in built.path.read_bytes()


def test_a_repeated_task_finds_its_batch(library: Library, dry: Batch) -> None:
    assert selected(library, "dry", dry_run=True).id == dry.id


def test_it_never_leaves_and_closes_nothing(library: Library, dry: Batch, bursar: ExportServer, tmp_path: Path) -> None:
    with pytest.raises(BatchError, match="is a dry run, which is never uploaded"):
        upload_file(library.ledger, dry.id, bursar.open(), tmp_path)
    with pytest.raises(BatchError, match="is DRY_RUN: only a delivered batch can be closed"):
        close_fines(library.ledger, dry.id)
    assert bursar.files() == {}


def test_the_next_run_has_nothing_to_clear_up(
    library: Library, dry: Batch, bursar: ExportServer, tmp_path: Path
) -> None:
    """Killed at any point, a dry run leaves no claim."""
    ended = recover_unfinished_batches(
        library.ledger,
        "STUDENTS",
        run_id="next",
        is_running=lambda _: False,
        open_folder=bursar.open(),
        work_dir=tmp_path,
    )
    assert ended == []
    with pytest.raises(BatchError, match="is a dry run"):
        release_batch(library.ledger, dry.id)


def test_the_ledger_rejects_a_delivery_of_it(library: Library, dry: Batch) -> None:
    with pytest.raises(IntegrityError, match="dry_run_is_never_uploaded"):
        record_delivery(library.ledger, dry.id, "upload_started")


def test_its_transaction_ids_are_never_used_for_another_line(library: Library, dry: Batch) -> None:
    real = selected(library, "real", dry_run=False)
    ids = "SELECT array_agg(transaction_id ORDER BY number) FROM batch_lines WHERE batch_id = :id"
    assert library.one(ids, id=dry.id) == ["1", "2"]
    assert library.one(ids, id=real.id) == ["3", "4"]


def test_an_empty_dry_run_stays_one(library: Library) -> None:
    assert selected(library, "dry", dry_run=True).state is BatchState.DRY_RUN
