"""Closing and releasing a batch: each fine is closed once, after any crash and by any late worker.

The module is long because closing and releasing exclude each other, so their tests share the same batches.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import Engine, text

from bursar.errors import BatchError, TransientError
from bursar.exports import close
from bursar.exports.close import close_fines
from bursar.exports.recover import release_batch
from bursar.exports.selection import select_fines
from bursar.exports.upload import upload_file
from bursar.ledger.batches import Batch, BatchState
from bursar.remote_files.base import RemoteFolder
from tests.exports.test_upload import is_exported_once, select_batch
from tests.support.export_server import ExportServer
from tests.support.fault_injection import InterruptSwitch, KilledError, KillSwitch
from tests.support.fixtures import NOW, Library, make_profile, make_settings

IN_PARTITIONS = pytest.mark.parametrize("partition_count", [2], indirect=True)


def count_commits(partition_count: int) -> int:
    """Returns how often closing a batch commits: once for each of several partitions, and once at the end."""
    return 1 if partition_count == 1 else partition_count + 1


def kill_while_closing(library: Library, batch_id: int, partition_count: int, kill_at: int, *, after: bool) -> None:
    """Closes a batch and kills the worker at a commit, counted from 0."""
    commits = count_commits(partition_count)
    kill_switch = KillSwitch(kill_at, after)
    with kill_switch.watch_commits(library.ledger), pytest.raises(KilledError):
        close_fines(library.ledger, batch_id)
    assert len(kill_switch.acts) == (commits if kill_at == commits - 1 else commits - 1)


def test_closing_commits_once_or_for_each_partition_and_at_the_end(
    library: Library, bursar: ExportServer, tmp_path: Path, partition_count: int
) -> None:
    found = select_batch(library)
    upload_file(library.ledger, found.id, bursar.open(), tmp_path)
    watch = KillSwitch()
    with watch.watch_commits(library.ledger):
        close_fines(library.ledger, found.id)
    assert len(watch.acts) == count_commits(partition_count)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("partition_count", "kill_at"), [(1, 0), (2, 0), (2, 1), (2, 2)], indirect=["partition_count"])
def test_each_fine_is_closed_once_by_a_task_that_is_killed_and_repeated(
    library: Library, bursar: ExportServer, tmp_path: Path, partition_count: int, kill_at: int, after: bool
) -> None:
    found = select_batch(library, fines=7)
    upload_file(library.ledger, found.id, bursar.open(), tmp_path)
    kill_while_closing(library, found.id, partition_count, kill_at, after=after)
    assert (
        select_fines(library.ledger, make_profile(code="STAFF"), make_settings(), run_id="run 2", as_of=NOW).fines == 0
    )
    close_fines(library.ledger, found.id)
    assert is_exported_once(library, found)
    assert library.one("SELECT sum(fines) FROM closed_partitions") == 7


@IN_PARTITIONS
def test_a_partly_closed_batch_is_never_released(
    library: Library, bursar: ExportServer, tmp_path: Path, partition_count: int
) -> None:
    """A person's confirmation that the bursar has not received it does not help: some of its fines are closed."""
    found = select_batch(library)
    upload_file(library.ledger, found.id, bursar.open(), tmp_path)
    kill_while_closing(library, found.id, partition_count, 0, after=True)
    with pytest.raises(BatchError, match="closed already"):
        release_batch(library.ledger, found.id, confirmed_not_received=True)
    bursar.recover_batches(library, tmp_path)
    assert is_exported_once(library, found)


@pytest.mark.parametrize("is_released", [False, True])
def test_a_late_worker_closes_no_fine_of_an_ended_batch(
    library: Library, bursar: ExportServer, tmp_path: Path, partition_count: int, is_released: bool
) -> None:
    found = select_batch(library)
    upload_file(library.ledger, found.id, bursar.open(), tmp_path)
    if is_released:
        release_batch(library.ledger, found.id, confirmed_not_received=True)
    else:
        close_fines(library.ledger, found.id)
    before = library.one("SELECT count(*) FROM journal_entries")
    with suppress(BatchError), library.ledger.begin() as late:
        close.close_partition(found, late, {"partition_number": 0, "partition_count": partition_count})
    assert library.one("SELECT count(*) FROM journal_entries") == before


def test_two_simultaneous_workers_close_each_fine_once(
    library: Library, bursar: ExportServer, tmp_path: Path, partition_count: int
) -> None:
    found = select_batch(library, fines=7)
    upload_file(library.ledger, found.id, bursar.open(), tmp_path)
    start = Barrier(2)

    def close_once(_: int) -> BatchState:
        start.wait()
        return close_fines(library.ledger, found.id).state

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(close_once, range(2))) == [BatchState.CLOSED] * 2
    assert is_exported_once(library, found)
    assert library.one("SELECT count(*) FROM closed_partitions") == partition_count


@pytest.mark.usefixtures("partition_count")
def test_a_release_waits_for_the_worker_that_closes_the_batch(
    library: Library, bursar: ExportServer, tmp_path: Path
) -> None:
    found = select_batch(library)
    upload_file(library.ledger, found.id, bursar.open(), tmp_path)
    with ThreadPoolExecutor(1) as pool:
        releasing: list[Future[Batch]] = []

        def release() -> None:
            releasing.append(pool.submit(release_batch, library.ledger, found.id, confirmed_not_received=True))
            with pytest.raises(TimeoutError):
                releasing[0].result(timeout=0.3)

        with InterruptSwitch(kill_at=0, interrupt=release).watch_commits(library.ledger):
            close_fines(library.ledger, found.id)
            with pytest.raises(BatchError, match="is closed"):
                releasing[0].result()
    assert is_exported_once(library, found)


def test_a_release_waits_for_a_partition_of_a_lost_worker(
    library: Library, bursar: ExportServer, tmp_path: Path
) -> None:
    """The worker has lost its lock on the batch with that connection; the transaction of a partition is still open."""
    found = select_batch(library)
    upload_file(library.ledger, found.id, bursar.open(), tmp_path)
    with ThreadPoolExecutor(1) as pool:
        with library.ledger.begin() as late:
            close.close_partition(found, late, {"partition_number": 0, "partition_count": 2})
            releasing = pool.submit(release_batch, library.ledger, found.id, confirmed_not_received=True)
            with pytest.raises(TimeoutError):
                releasing.result(timeout=0.5)
        with pytest.raises(BatchError, match="closed already"):
            releasing.result()
    close_fines(library.ledger, found.id)
    assert is_exported_once(library, found)


def test_a_released_batch_can_not_be_closed(library: Library) -> None:
    found = select_batch(library)
    release_batch(library.ledger, found.id)
    with pytest.raises(BatchError, match="has been released: its fines are open, and the next export selects them"):
        close_fines(library.ledger, found.id)


@pytest.mark.parametrize("kill_at", [None, 0, 1, 3])
def test_only_a_delivered_batch_can_be_closed(
    library: Library, bursar: ExportServer, tmp_path: Path, kill_at: int | None
) -> None:
    found = select_batch(library)
    if kill_at is not None:
        with pytest.raises(KilledError):
            upload_file(library.ledger, found.id, bursar.open(kill_at=kill_at), tmp_path)
    with pytest.raises(BatchError, match="only a delivered batch"):
        close_fines(library.ledger, found.id)
    assert library.one("SELECT count(*) FROM journal_entries WHERE batch_id IS NOT NULL") == 0


def test_without_an_active_import_an_exported_fine_counts_as_paid(
    library: Library, bursar: ExportServer, tmp_path: Path
) -> None:
    fine = library.fine()
    found = select_fines(library.ledger, make_profile(import_active=False), make_settings(), run_id="1", as_of=NOW)
    upload_file(library.ledger, found.id, bursar.open(), tmp_path)
    close_fines(library.ledger, found.id)
    assert library.position(fine) == ("CLOSED", Decimal(0), Decimal(0))
    assert (
        library.one("SELECT entry_type FROM journal_entries WHERE batch_id = :id", id=found.id) == "EXPORTED_AND_PAID"
    )


@pytest.mark.parametrize(
    ("change", "reason", "entries"),
    [
        ("DELETE FROM batch_claims WHERE fine_id = (SELECT min(fine_id) FROM batch_claims)", "2 claims", 0),
        ("DELETE FROM batch_lines WHERE number = 1", "2 lines", 0),
        ("INSERT INTO closed_partitions SELECT id, 0, 2, 2 FROM batches", "closed in partitions", 2),
    ],
)
def test_a_manually_changed_ledger_is_an_error_and_the_fines_stay_claimed(
    library: Library,
    owned_ledger: Engine,
    bursar: ExportServer,
    tmp_path: Path,
    change: str,
    reason: str,
    entries: int,
) -> None:
    found = select_batch(library)
    upload_file(library.ledger, found.id, bursar.open(), tmp_path)
    with owned_ledger.begin() as connection:
        connection.execute(text(change))
        claims = connection.scalar(text("SELECT count(*) FROM batch_claims"))
    with pytest.raises(BatchError, match=f"not closed: .*{reason}"):
        close_fines(library.ledger, found.id)
    assert library.one("SELECT count(*) FROM batch_claims") == claims
    assert library.one("SELECT count(*) FROM journal_entries WHERE batch_id IS NOT NULL") == entries


@IN_PARTITIONS
def test_a_claim_without_its_line_in_a_partition_is_an_error(
    library: Library, owned_ledger: Engine, bursar: ExportServer, tmp_path: Path, partition_count: int
) -> None:
    found = select_batch(library)
    upload_file(library.ledger, found.id, bursar.open(), tmp_path)
    with owned_ledger.begin() as connection:
        connection.execute(text("UPDATE batch_claims SET fine_id = fine_id + 1 WHERE fine_id = 3"))
    with pytest.raises(BatchError, match=f"not closed: .* in partition [01] of {partition_count}"):
        close_fines(library.ledger, found.id)
    assert library.one("SELECT count(*) FROM journal_entries WHERE batch_id IS NOT NULL") == 0


def test_the_next_export_selects_the_fines_of_a_released_batch(
    library: Library, bursar: ExportServer, tmp_path: Path
) -> None:
    found = select_batch(library)
    for _ in range(2):
        assert release_batch(library.ledger, found.id).state is BatchState.RELEASED
    with pytest.raises(BatchError, match="was released"):
        upload_file(library.ledger, found.id, bursar.open(), tmp_path)
    again = select_fines(library.ledger, make_profile(), make_settings(), run_id="run 1", as_of=NOW)
    assert (again.fines, again.id) == (3, found.id + 1)


def test_a_batch_that_may_be_delivered_is_released_only_with_a_confirmation(
    library: Library, bursar: ExportServer, tmp_path: Path
) -> None:
    found = select_batch(library)
    with pytest.raises(KilledError):
        upload_file(library.ledger, found.id, bursar.open(kill_at=1), tmp_path)
    with pytest.raises(BatchError, match="billed twice"):
        release_batch(library.ledger, found.id)
    assert release_batch(library.ledger, found.id, confirmed_not_received=True).state is BatchState.RELEASED


def test_a_batch_is_not_released_during_its_upload(library: Library, bursar: ExportServer, tmp_path: Path) -> None:
    """A person's confirmation does not help: the person may have looked at the server just before the file arrived."""
    found = select_batch(library)

    @contextmanager
    def open_during_release(batch: Batch) -> Iterator[RemoteFolder]:
        with pytest.raises(TransientError, match="Another worker is delivering"):
            release_batch(library.ledger, batch.id, confirmed_not_received=True)
        with bursar.open()(batch) as folder:
            yield folder

    assert upload_file(library.ledger, found.id, open_during_release, tmp_path).state is BatchState.DELIVERED
    close_fines(library.ledger, found.id)
    assert is_exported_once(library, found)


def test_a_closed_batch_is_never_released(library: Library, bursar: ExportServer, tmp_path: Path) -> None:
    found = select_batch(library)
    upload_file(library.ledger, found.id, bursar.open(), tmp_path)
    close_fines(library.ledger, found.id)
    with pytest.raises(BatchError, match="is closed"):
        release_batch(library.ledger, found.id, confirmed_not_received=True)


def test_an_unknown_batch_is_an_error(library: Library) -> None:
    with pytest.raises(BatchError, match="no batch 7"):
        close_fines(library.ledger, 7)
