"""The way to the bursar, killed at every step: the file arrives once, and each fine is closed once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text

from bursar import progress
from bursar.errors import BatchError, PassingError, RemoteFolderError
from bursar.exchange.folder import RemoteFolder
from bursar.exporting import closing
from bursar.exporting.closing import close_fines, finish_earlier_batches, release
from bursar.exporting.delivery import deliver
from bursar.exporting.document import build_document
from bursar.exporting.selection import select_fines
from bursar.ledger.batches import Batch, State, batch
from tests.bursar import Bursar
from tests.library import NOW, Library, a_profile, the_settings
from tests.mortal import Death, KilledError


def selected(library: Library, run: str = "run 1", fines: int = 3) -> Batch:
    for _ in range(fines):
        library.fine(item=library.item())
    return select_fines(library.ledger, a_profile(), the_settings(), run=run, as_of=NOW)


def state(library: Library, found: Batch) -> State:
    with library.ledger.connect() as connection:
        return batch(connection, found.id).state


def exported_once(library: Library, found: Batch) -> bool:
    """Whether each fine of the batch has left the balance exactly once."""
    entries = library.one("SELECT array_agg(fine_id ORDER BY fine_id) FROM journal WHERE kind = 'EXPORTED'")
    lines = library.one("SELECT array_agg(fine_id ORDER BY fine_id) FROM lines WHERE batch_id = :id", id=found.id)
    closed = library.one("SELECT bool_and(status = 'CLOSED' AND balance = 0 AND outstanding = 12.5) FROM fines")
    return bool(entries == lines and closed and library.one("SELECT count(*) FROM claims") == 0)


def test_a_file_arrives_under_its_name_with_nothing_beside_it(library: Library, bursar: Bursar, tmp_path: Path) -> None:
    found = selected(library)
    content = build_document(library.ledger, found.id, tmp_path).path.read_bytes()
    delivered = deliver(library.ledger, found.id, bursar.open(), tmp_path)
    assert (delivered.state, delivered.remote_folder) == (State.DELIVERED, f"sftp://{bursar.host}/out")
    assert bursar.files() == {found.file_name: content}
    close_fines(library.ledger, found.id)
    assert exported_once(library, found)


def test_an_upload_tells_how_far_it_is(
    library: Library, bursar: Bursar, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "EVERY", 0)
    found = selected(library, fines=7)
    with caplog.at_level("INFO"):
        size = deliver(library.ledger, found.id, bursar.open(), tmp_path).file_size
    sending, sent, delivered = [record.getMessage() for record in caplog.records][-3:]
    assert sending == f"Sending {found.file_name} ({size:,} bytes) to sftp://{bursar.host}/out."
    assert sent.startswith(f"Sent {found.file_name}: 0.01 MB of 0.01 MB (")
    assert delivered == f"Delivered {found.file_name} ({size:,} bytes) to sftp://{bursar.host}/out."


CALLS = ["size", "write", "size", "rename", "size"]


def test_the_calls_that_a_delivery_makes(library: Library, bursar: Bursar, tmp_path: Path) -> None:
    """The list that the next tests die along."""
    deliver(library.ledger, selected(library).id, bursar.open(), tmp_path)
    assert bursar.opened[0].acts == CALLS


@pytest.mark.parametrize("bursar_is_quick", [False, True])
@pytest.mark.parametrize("after_the_call", [False, True])
@pytest.mark.parametrize("dies_at", range(len(CALLS)))
def test_killed_anywhere_and_repeated_the_file_is_sent_once(
    library: Library, bursar: Bursar, tmp_path: Path, dies_at: int, after_the_call: bool, bursar_is_quick: bool
) -> None:
    found = selected(library)
    content = build_document(library.ledger, found.id, tmp_path / "one worker").path.read_bytes()
    with pytest.raises(KilledError):
        deliver(
            library.ledger,
            found.id,
            bursar.open(dies_at=dies_at, after_the_call=after_the_call),
            tmp_path / "one worker",
        )
    taken = {name: data for name, data in bursar.files().items() if not name.startswith(".")} if bursar_is_quick else {}
    for name in taken:
        (bursar.folder / "out" / name).unlink()
    deliver(library.ledger, found.id, bursar.open(), tmp_path / "another worker")
    assert [*taken.items(), *bursar.files().items()] == [(found.file_name, content)]
    close_fines(library.ledger, found.id)
    assert exported_once(library, found)


@pytest.mark.parametrize("dies_at", range(len(CALLS)))
def test_the_next_run_ends_what_a_killed_one_left_and_bills_nothing_twice(
    library: Library, bursar: Bursar, tmp_path: Path, dies_at: int
) -> None:
    found = selected(library)
    with pytest.raises(KilledError):
        deliver(library.ledger, found.id, bursar.open(dies_at=dies_at, after_the_call=True), tmp_path)
    (ended,) = finish_earlier_batches(
        library.ledger, "STUDENTS", run="run 2", is_running=lambda _: False, open_folder=bursar.open(), staging=tmp_path
    )
    following = select_fines(library.ledger, a_profile(), the_settings(), run="run 2", as_of=NOW)
    if ended.state is State.RELEASED:
        assert (dies_at, following.fines) == (0, 3)
        deliver(library.ledger, following.id, bursar.open(), tmp_path)
        found = close_fines(library.ledger, following.id)
    else:
        assert (ended.state, following.fines) == (State.CLOSED, 0)
    assert list(bursar.files()) == [found.file_name]
    assert exported_once(library, found)


CLOSING = 3
"""The commits of a closing: one of each share, and one of the end."""


def killed_while_closing(library: Library, batch_id: int, dies_at: int, *, after: bool) -> None:
    death = Death(dies_at, after)
    with death.at_commits(library.ledger), pytest.raises(KilledError):
        close_fines(library.ledger, batch_id)
    assert len(death.acts) == (CLOSING if dies_at == CLOSING - 1 else CLOSING - 1)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("dies_at", range(CLOSING))
def test_killed_while_it_closes_and_repeated_each_fine_is_closed_once(
    library: Library, bursar: Bursar, tmp_path: Path, dies_at: int, after: bool
) -> None:
    found = selected(library, fines=7)
    deliver(library.ledger, found.id, bursar.open(), tmp_path)
    killed_while_closing(library, found.id, dies_at, after=after)
    assert select_fines(library.ledger, a_profile(code="STAFF"), the_settings(), run="run 2", as_of=NOW).fines == 0
    close_fines(library.ledger, found.id)
    assert exported_once(library, found)
    assert library.one("SELECT sum(fines) FROM closed_shares") == 7


def test_what_is_closed_in_part_can_not_be_released(library: Library, bursar: Bursar, tmp_path: Path) -> None:
    """Whoever says that the bursar has not got it: some of its fines are not open any more."""
    found = selected(library)
    deliver(library.ledger, found.id, bursar.open(), tmp_path)
    killed_while_closing(library, found.id, 0, after=True)
    with pytest.raises(BatchError, match="closed already"):
        release(library.ledger, found.id, bursar_has_not_got_it=True)
    finish_earlier_batches(
        library.ledger, "STUDENTS", run="run 2", is_running=lambda _: False, open_folder=bursar.open(), staging=tmp_path
    )
    assert exported_once(library, found)


@pytest.mark.parametrize("is_released", [False, True])
def test_a_worker_that_was_taken_for_dead_closes_nothing_any_more(
    library: Library, bursar: Bursar, tmp_path: Path, is_released: bool
) -> None:
    found = selected(library)
    deliver(library.ledger, found.id, bursar.open(), tmp_path)
    if is_released:
        release(library.ledger, found.id, bursar_has_not_got_it=True)
    else:
        close_fines(library.ledger, found.id)
    before = library.one("SELECT count(*) FROM journal")
    with suppress(BatchError), library.ledger.begin() as late:
        closing.close_share(found, late, {"share": 0, "shares": 2})
    assert library.one("SELECT count(*) FROM journal") == before


def test_a_batch_is_not_released_while_somebody_closes_a_share(
    library: Library, bursar: Bursar, tmp_path: Path
) -> None:
    """Even if whoever began the closing is gone, and its lock on the batch with it."""
    found = selected(library)
    deliver(library.ledger, found.id, bursar.open(), tmp_path)
    with ThreadPoolExecutor(1) as pool:
        with library.ledger.begin() as late:
            closing.close_share(found, late, {"share": 0, "shares": 2})
            releasing = pool.submit(release, library.ledger, found.id, bursar_has_not_got_it=True)
            with pytest.raises(TimeoutError):
                releasing.result(timeout=0.5)
        with pytest.raises(BatchError, match="closed already"):
            releasing.result()
    close_fines(library.ledger, found.id)
    assert exported_once(library, found)


def test_shares_that_do_not_make_up_the_batch_leave_its_fines_held(
    library: Library, bursar: Bursar, tmp_path: Path
) -> None:
    found = selected(library)
    deliver(library.ledger, found.id, bursar.open(), tmp_path)
    with library.ledger.begin() as connection:
        connection.execute(text("INSERT INTO closed_shares VALUES (:id, 0, 2, 2)"), {"id": found.id})
    with pytest.raises(BatchError, match="closed in shares"):
        close_fines(library.ledger, found.id)
    assert library.one("SELECT count(*) FROM claims") == 3


def test_the_next_run_leaves_a_run_that_is_still_going_alone(library: Library, bursar: Bursar, tmp_path: Path) -> None:
    found = selected(library)
    ended = finish_earlier_batches(
        library.ledger,
        "STUDENTS",
        run="run 2",
        is_running=lambda run: run == "run 1",
        open_folder=bursar.open(),
        staging=tmp_path,
    )
    assert (ended, state(library, found)) == ([], State.SELECTED)
    assert select_fines(library.ledger, a_profile(), the_settings(), run="run 2", as_of=NOW).fines == 0


def test_another_profiles_unfinished_batch_is_not_touched(library: Library, bursar: Bursar, tmp_path: Path) -> None:
    found = selected(library)
    assert not finish_earlier_batches(
        library.ledger, "STAFF", run="run 2", is_running=lambda _: False, open_folder=bursar.open(), staging=tmp_path
    )
    assert state(library, found) is State.SELECTED


def test_repeated_after_success_nothing_is_sent_again(library: Library, bursar: Bursar, tmp_path: Path) -> None:
    found = selected(library)
    deliver(library.ledger, found.id, bursar.open(), tmp_path)
    (bursar.folder / "out" / found.file_name).unlink()  # the bursar took it
    for _ in range(2):
        deliver(library.ledger, found.id, bursar.open(), tmp_path)
        close_fines(library.ledger, found.id)
    deliver(library.ledger, found.id, bursar.open(), tmp_path)
    assert bursar.files() == {}
    assert len(bursar.opened) == 1
    assert exported_once(library, found)


def test_a_file_of_others_under_our_name_is_never_overwritten(library: Library, bursar: Bursar, tmp_path: Path) -> None:
    found = selected(library)
    (bursar.folder / "out" / found.file_name).write_bytes(b"theirs")
    with pytest.raises(RemoteFolderError, match="never replaced"):
        deliver(library.ledger, found.id, bursar.open(), tmp_path)
    assert bursar.files() == {found.file_name: b"theirs"}
    assert state(library, found) is State.DOCUMENTED


def test_another_file_in_the_place_of_ours_after_a_crash_is_an_error(
    library: Library, bursar: Bursar, tmp_path: Path
) -> None:
    found = selected(library)
    with pytest.raises(KilledError):
        deliver(library.ledger, found.id, bursar.open(dies_at=3), tmp_path)
    (bursar.folder / "out" / found.file_name).write_bytes(b"theirs")
    with pytest.raises(RemoteFolderError, match="never replaced"):
        deliver(library.ledger, found.id, bursar.open(), tmp_path)
    assert state(library, found) is State.PART_COMPLETE
    assert bursar.files()[found.file_name] == b"theirs"


def test_a_part_that_lost_bytes_is_written_anew(library: Library, bursar: Bursar, tmp_path: Path) -> None:
    found = selected(library)
    with pytest.raises(KilledError):
        deliver(library.ledger, found.id, bursar.open(dies_at=3), tmp_path)
    (bursar.folder / "out" / f".{found.file_name}.part").write_bytes(b"cut")
    deliver(library.ledger, found.id, bursar.open(), tmp_path)
    assert bursar.files()[found.file_name] == (tmp_path / found.file_name).read_bytes()


def test_a_connection_that_now_leads_elsewhere_can_not_pass_for_a_bursar_who_took_the_file(
    library: Library, bursar: Bursar, tmp_path: Path
) -> None:
    found = selected(library)
    with pytest.raises(KilledError):
        deliver(library.ledger, found.id, bursar.open(dies_at=3), tmp_path)
    with library.ledger.begin() as connection:
        connection.execute(text("UPDATE batches SET output_file_path = 'elsewhere'"))
    with pytest.raises(BatchError, match="leads to .*elsewhere"):
        deliver(library.ledger, found.id, bursar.open(), tmp_path)
    assert state(library, found) is State.PART_COMPLETE


def test_two_workers_at_once_send_one_file(library: Library, bursar: Bursar, tmp_path: Path) -> None:
    found = selected(library)
    build_document(library.ledger, found.id, tmp_path)

    def attempt(_: int) -> bool:
        try:
            deliver(library.ledger, found.id, bursar.open(), tmp_path)
        except PassingError as error:
            assert "Another worker" in str(error)  # noqa: PT017  either of the two may be late
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert any(pool.map(attempt, range(4)))
    assert sum(death.acts.count("rename") for death in bursar.opened) == 1
    assert list(bursar.files()) == [found.file_name]


@pytest.mark.parametrize("dies_at", [None, 0, 1, 3])
def test_only_a_delivered_batch_can_be_closed(
    library: Library, bursar: Bursar, tmp_path: Path, dies_at: int | None
) -> None:
    found = selected(library)
    if dies_at is not None:
        with pytest.raises(KilledError):
            deliver(library.ledger, found.id, bursar.open(dies_at=dies_at), tmp_path)
    with pytest.raises(BatchError, match="only a delivered batch"):
        close_fines(library.ledger, found.id)
    assert library.one("SELECT count(*) FROM journal WHERE batch_id IS NOT NULL") == 0


def test_without_an_active_import_an_exported_fine_counts_as_paid(
    library: Library, bursar: Bursar, tmp_path: Path
) -> None:
    fine = library.fine()
    found = select_fines(library.ledger, a_profile(import_active=False), the_settings(), run="1", as_of=NOW)
    deliver(library.ledger, found.id, bursar.open(), tmp_path)
    close_fines(library.ledger, found.id)
    assert library.position(fine) == ("CLOSED", Decimal(0), Decimal(0))
    assert library.one("SELECT kind FROM journal WHERE batch_id = :id", id=found.id) == "EXPORTED_AND_PAID"


def test_a_ledger_changed_by_hand_is_noticed_before_anything_is_closed(
    library: Library, bursar: Bursar, tmp_path: Path
) -> None:
    found = selected(library)
    deliver(library.ledger, found.id, bursar.open(), tmp_path)
    with library.ledger.begin() as connection:
        connection.execute(text("DELETE FROM claims WHERE fine_id = (SELECT min(fine_id) FROM claims)"))
    with pytest.raises(BatchError, match="not closed"):
        close_fines(library.ledger, found.id)
    assert library.one("SELECT count(*) FROM journal WHERE batch_id IS NOT NULL") == 0


def test_an_unsent_batch_is_released_and_its_fines_go_with_the_next(
    library: Library, bursar: Bursar, tmp_path: Path
) -> None:
    found = selected(library)
    for _ in range(2):
        assert release(library.ledger, found.id).state is State.RELEASED
    with pytest.raises(BatchError, match="was released"):
        deliver(library.ledger, found.id, bursar.open(), tmp_path)
    again = select_fines(library.ledger, a_profile(), the_settings(), run="run 1", as_of=NOW)
    assert (again.fines, again.id) == (3, found.id + 1)


def test_a_batch_that_may_have_been_sent_is_released_only_on_a_persons_word(
    library: Library, bursar: Bursar, tmp_path: Path
) -> None:
    found = selected(library)
    with pytest.raises(KilledError):
        deliver(library.ledger, found.id, bursar.open(dies_at=1), tmp_path)
    with pytest.raises(BatchError, match="billed twice"):
        release(library.ledger, found.id)
    assert release(library.ledger, found.id, bursar_has_not_got_it=True).state is State.RELEASED


def test_a_batch_is_not_released_while_a_worker_delivers_it(library: Library, bursar: Bursar, tmp_path: Path) -> None:
    """Not even on a person's word, who looked at the server a moment before the file got there."""
    found = selected(library)

    @contextmanager
    def while_delivering(batch: Batch) -> Iterator[RemoteFolder]:
        with pytest.raises(PassingError, match="Another worker is delivering"):
            release(library.ledger, batch.id, bursar_has_not_got_it=True)
        with bursar.open()(batch) as folder:
            yield folder

    assert deliver(library.ledger, found.id, while_delivering, tmp_path).state is State.DELIVERED
    close_fines(library.ledger, found.id)
    assert exported_once(library, found)


def test_a_closed_batch_is_never_released(library: Library, bursar: Bursar, tmp_path: Path) -> None:
    found = selected(library)
    deliver(library.ledger, found.id, bursar.open(), tmp_path)
    close_fines(library.ledger, found.id)
    with pytest.raises(BatchError, match="is closed"):
        release(library.ledger, found.id, bursar_has_not_got_it=True)


def test_a_batch_that_does_not_exist(library: Library) -> None:
    with pytest.raises(BatchError, match="no batch 7"):
        close_fines(library.ledger, 7)
