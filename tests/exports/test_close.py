"""The end of a batch: each fine is closed once, after any crash and by any late worker; or it is released."""

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
from bursar.exports.recover import recover_unfinished_batches, release_batch
from bursar.exports.selection import select_fines
from bursar.exports.upload import upload_file
from bursar.ledger.batches import Batch, BatchState
from bursar.remote_files.base import RemoteFolder
from tests.exports.test_upload import exported_once, selected
from tests.support.export_server import ExportServer
from tests.support.fault_injection import InterruptSwitch, KilledError, KillSwitch
from tests.support.fixtures import NOW, Library, make_profile, make_settings

IN_PARTITIONS = pytest.mark.parametrize("partition_count", [2], indirect=True)


def count_commits(partition_count: int) -> int:
    """Returns the commits of a closing: one of each partition if there are several, and one of the end."""
    return 1 if partition_count == 1 else partition_count + 1


def kill_while_closing(library: Library, batch_id: int, partition_count: int, dies_at: int, *, after: bool) -> None:
    """Kills a closing at one of its commits, counted from 0."""
    commits = count_commits(partition_count)
    kill_switch = KillSwitch(dies_at, after)
    with kill_switch.watch_commits(library.ledger), pytest.raises(KilledError):
        close_fines(library.ledger, batch_id)
    assert len(kill_switch.acts) == (commits if dies_at == commits - 1 else commits - 1)


def test_a_closing_commits_once_or_once_for_each_partition_and_at_the_end(
    library: Library, bursar: ExportServer, tmp_path: Path, partition_count: int
) -> None:
    found = selected(library)
    upload_file(library.ledger, found.id, bursar.open(), tmp_path)
    watch = KillSwitch()
    with watch.watch_commits(library.ledger):
        close_fines(library.ledger, found.id)
    assert len(watch.acts) == count_commits(partition_count)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("partition_count", "dies_at"), [(1, 0), (2, 0), (2, 1), (2, 2)], indirect=["partition_count"])
def test_killed_while_it_closes_and_repeated_each_fine_is_closed_once(
    library: Library, bursar: ExportServer, tmp_path: Path, partition_count: int, dies_at: int, after: bool
) -> None:
    found = selected(library, fines=7)
    upload_file(library.ledger, found.id, bursar.open(), tmp_path)
    kill_while_closing(library, found.id, partition_count, dies_at, after=after)
    assert (
        select_fines(library.ledger, make_profile(code="STAFF"), make_settings(), run_id="run 2", as_of=NOW).fines == 0
    )
    close_fines(library.ledger, found.id)
    assert exported_once(library, found)
    assert library.one("SELECT sum(fines) FROM closed_partitions") == 7


@IN_PARTITIONS
def test_a_batch_that_is_closed_in_part_can_not_be_released(
    library: Library, bursar: ExportServer, tmp_path: Path, partition_count: int
) -> None:
    """Not even if a person confirms that the bursar has not received it: some of its fines are not open any more."""
    found = selected(library)
    upload_file(library.ledger, found.id, bursar.open(), tmp_path)
    kill_while_closing(library, found.id, partition_count, 0, after=True)
    with pytest.raises(BatchError, match="closed already"):
        release_batch(library.ledger, found.id, confirmed_not_received=True)
    recover_unfinished_batches(
        library.ledger,
        "STUDENTS",
        run_id="run 2",
        is_running=lambda _: False,
        open_folder=bursar.open(),
        work_dir=tmp_path,
    )
    assert exported_once(library, found)


@pytest.mark.parametrize("is_released", [False, True])
def test_a_worker_that_airflow_gave_up_on_closes_nothing_any_more(
    library: Library, bursar: ExportServer, tmp_path: Path, partition_count: int, is_released: bool
) -> None:
    found = selected(library)
    upload_file(library.ledger, found.id, bursar.open(), tmp_path)
    if is_released:
        release_batch(library.ledger, found.id, confirmed_not_received=True)
    else:
        close_fines(library.ledger, found.id)
    before = library.one("SELECT count(*) FROM journal_entries")
    with suppress(BatchError), library.ledger.begin() as late:
        close.close_partition(found, late, {"partition_number": 0, "partition_count": partition_count})
    assert library.one("SELECT count(*) FROM journal_entries") == before


def test_two_workers_at_once_close_each_fine_once(
    library: Library, bursar: ExportServer, tmp_path: Path, partition_count: int
) -> None:
    found = selected(library, fines=7)
    upload_file(library.ledger, found.id, bursar.open(), tmp_path)
    start = Barrier(2)

    def close_once(_: int) -> BatchState:
        start.wait()
        return close_fines(library.ledger, found.id).state

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(close_once, range(2))) == [BatchState.CLOSED] * 2
    assert exported_once(library, found)
    assert library.one("SELECT count(*) FROM closed_partitions") == partition_count


@pytest.mark.usefixtures("partition_count")
def test_a_release_waits_for_the_worker_that_closes_the_batch(
    library: Library, bursar: ExportServer, tmp_path: Path
) -> None:
    found = selected(library)
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
    assert exported_once(library, found)


def test_a_release_waits_for_a_partition_of_a_worker_that_is_gone(
    library: Library, bursar: ExportServer, tmp_path: Path
) -> None:
    """The worker's lock on the batch is gone with its connection; the transaction of a partition goes on."""
    found = selected(library)
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
    assert exported_once(library, found)


def test_a_released_batch_has_nothing_left_to_close(library: Library) -> None:
    found = selected(library)
    release_batch(library.ledger, found.id)
    with pytest.raises(BatchError, match="has been released: its fines are open, and the next export selects them"):
        close_fines(library.ledger, found.id)


@pytest.mark.parametrize("dies_at", [None, 0, 1, 3])
def test_only_a_delivered_batch_can_be_closed(
    library: Library, bursar: ExportServer, tmp_path: Path, dies_at: int | None
) -> None:
    found = selected(library)
    if dies_at is not None:
        with pytest.raises(KilledError):
            upload_file(library.ledger, found.id, bursar.open(dies_at=dies_at), tmp_path)
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
def test_a_ledger_changed_by_hand_is_noticed_and_the_fines_stay_claimed(
    library: Library,
    owned_ledger: Engine,
    bursar: ExportServer,
    tmp_path: Path,
    change: str,
    reason: str,
    entries: int,
) -> None:
    found = selected(library)
    upload_file(library.ledger, found.id, bursar.open(), tmp_path)
    with owned_ledger.begin() as connection:
        connection.execute(text(change))
        claims = connection.scalar(text("SELECT count(*) FROM batch_claims"))
    with pytest.raises(BatchError, match=f"not closed: .*{reason}"):
        close_fines(library.ledger, found.id)
    assert library.one("SELECT count(*) FROM batch_claims") == claims
    assert library.one("SELECT count(*) FROM journal_entries WHERE batch_id IS NOT NULL") == entries


@IN_PARTITIONS
def test_a_claim_in_another_partition_than_its_line_is_noticed(
    library: Library, owned_ledger: Engine, bursar: ExportServer, tmp_path: Path, partition_count: int
) -> None:
    found = selected(library)
    upload_file(library.ledger, found.id, bursar.open(), tmp_path)
    with owned_ledger.begin() as connection:
        connection.execute(text("UPDATE batch_claims SET fine_id = fine_id + 1 WHERE fine_id = 3"))
    with pytest.raises(BatchError, match=f"not closed: .* in partition [01] of {partition_count}"):
        close_fines(library.ledger, found.id)
    assert library.one("SELECT count(*) FROM journal_entries WHERE batch_id IS NOT NULL") == 0


def test_an_unsent_batch_is_released_and_the_next_export_has_its_fines(
    library: Library, bursar: ExportServer, tmp_path: Path
) -> None:
    found = selected(library)
    for _ in range(2):
        assert release_batch(library.ledger, found.id).state is BatchState.RELEASED
    with pytest.raises(BatchError, match="was released"):
        upload_file(library.ledger, found.id, bursar.open(), tmp_path)
    again = select_fines(library.ledger, make_profile(), make_settings(), run_id="run 1", as_of=NOW)
    assert (again.fines, again.id) == (3, found.id + 1)


def test_a_batch_that_may_have_been_sent_is_released_only_if_a_person_confirms(
    library: Library, bursar: ExportServer, tmp_path: Path
) -> None:
    found = selected(library)
    with pytest.raises(KilledError):
        upload_file(library.ledger, found.id, bursar.open(dies_at=1), tmp_path)
    with pytest.raises(BatchError, match="billed twice"):
        release_batch(library.ledger, found.id)
    assert release_batch(library.ledger, found.id, confirmed_not_received=True).state is BatchState.RELEASED


def test_a_batch_is_not_released_while_a_worker_delivers_it(
    library: Library, bursar: ExportServer, tmp_path: Path
) -> None:
    """Not even if a person confirms, who looked at the server a moment before the file arrived."""
    found = selected(library)

    @contextmanager
    def while_delivering(batch: Batch) -> Iterator[RemoteFolder]:
        with pytest.raises(TransientError, match="Another worker is delivering"):
            release_batch(library.ledger, batch.id, confirmed_not_received=True)
        with bursar.open()(batch) as folder:
            yield folder

    assert upload_file(library.ledger, found.id, while_delivering, tmp_path).state is BatchState.DELIVERED
    close_fines(library.ledger, found.id)
    assert exported_once(library, found)


def test_a_closed_batch_is_never_released(library: Library, bursar: ExportServer, tmp_path: Path) -> None:
    found = selected(library)
    upload_file(library.ledger, found.id, bursar.open(), tmp_path)
    close_fines(library.ledger, found.id)
    with pytest.raises(BatchError, match="is closed"):
        release_batch(library.ledger, found.id, confirmed_not_received=True)


def test_a_batch_that_does_not_exist(library: Library) -> None:
    with pytest.raises(BatchError, match="no batch 7"):
        close_fines(library.ledger, 7)
