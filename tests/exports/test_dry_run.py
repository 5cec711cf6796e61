"""A dry run selects and builds a batch. It neither uploads nor closes it, and has no effect on later runs."""

from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from bursar.errors import BatchError
from bursar.exports.build import build_file
from bursar.exports.close import close_fines
from bursar.exports.recover import release_batch
from bursar.exports.selection import select_fines
from bursar.exports.upload import upload_file
from bursar.ledger.batches import Batch, BatchState
from tests.support.export_server import ExportServer
from tests.support.fixtures import NOW, Library, make_profile, make_settings, record_delivery


def select_batch(library: Library, run_id: str, *, dry_run: bool) -> Batch:
    return select_fines(library.ledger, make_profile(), make_settings(), run_id=run_id, as_of=NOW, dry_run=dry_run)


@pytest.fixture
def dry_batch(library: Library) -> Batch:
    """Returns the batch of a dry run with two fines."""
    library.fine()
    library.fine()
    return select_batch(library, "dry", dry_run=True)


def test_a_dry_run_selects_fines_and_claims_none(library: Library, dry_batch: Batch) -> None:
    assert (dry_batch.state, dry_batch.fines) == (BatchState.DRY_RUN, 2)
    assert library.one("SELECT count(*) FROM batch_claims") == 0
    assert select_batch(library, "real", dry_run=False).fines == 2


def test_the_file_of_a_dry_run_is_complete_and_named_as_one(dry_batch: Batch, library: Library, tmp_path: Path) -> None:
    built = build_file(library.ledger, dry_batch.id, tmp_path / "one worker")
    again = build_file(library.ledger, dry_batch.id, tmp_path / "another worker")

    assert built.path.name.endswith("-dry-run.xml")
    assert built.path.read_bytes() == again.path.read_bytes()
    assert b"<xb:sum>12.5</xb:sum>" in built.path.read_bytes()


def test_a_repeated_task_finds_its_batch(library: Library, dry_batch: Batch) -> None:
    assert select_batch(library, "dry", dry_run=True).id == dry_batch.id


def test_a_dry_run_is_neither_uploaded_nor_closed(
    library: Library, dry_batch: Batch, bursar: ExportServer, tmp_path: Path
) -> None:
    with pytest.raises(BatchError, match="is a dry run, which is never uploaded"):
        upload_file(library.ledger, dry_batch.id, bursar.open(), tmp_path)
    with pytest.raises(BatchError, match="is a dry run: only a delivered batch can be closed"):
        close_fines(library.ledger, dry_batch.id)
    assert bursar.files() == {}


def test_the_next_run_has_nothing_to_recover(
    library: Library, dry_batch: Batch, bursar: ExportServer, tmp_path: Path
) -> None:
    """A dry run makes no claims, so one that is killed at any point leaves none."""
    ended = bursar.recover_batches(library, tmp_path)
    assert ended == []
    with pytest.raises(BatchError, match="is a dry run"):
        release_batch(library.ledger, dry_batch.id)


def test_the_ledger_rejects_a_delivery_of_a_dry_run(library: Library, dry_batch: Batch) -> None:
    with pytest.raises(IntegrityError, match="dry_run_is_never_uploaded"):
        record_delivery(library.ledger, dry_batch.id, "upload_started")


def test_the_transaction_ids_of_a_dry_run_are_never_used_again(library: Library, dry_batch: Batch) -> None:
    real = select_batch(library, "real", dry_run=False)
    ids = "SELECT array_agg(transaction_id ORDER BY number) FROM batch_lines WHERE batch_id = :id"
    assert library.one(ids, id=dry_batch.id) == ["1", "2"]
    assert library.one(ids, id=real.id) == ["3", "4"]


def test_a_dry_run_without_fines_has_the_state_of_a_dry_run(library: Library) -> None:
    assert select_batch(library, "dry", dry_run=True).state is BatchState.DRY_RUN
