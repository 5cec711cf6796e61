"""The end of a batch: each fine is closed once, whatever is killed or comes late; or it is let go."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from bursar.errors import BatchError, PassingError
from bursar.exchange.folder import RemoteFolder
from bursar.exporting import closing
from bursar.exporting.closing import close_fines, finish_earlier_batches, release
from bursar.exporting.delivery import deliver
from bursar.exporting.selection import select_fines
from bursar.ledger.batches import Batch, State
from tests.bursar import Bursar
from tests.exporting.test_delivery import exported_once, selected
from tests.library import NOW, Library, a_profile, the_settings
from tests.mortal import Death, KilledError

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
        library.ledger,
        "STUDENTS",
        run="run 2",
        is_running=lambda _: False,
        open_folder=bursar.open(),
        work_dir=tmp_path,
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


@pytest.mark.parametrize(
    ("change", "reason", "entries"),
    [
        ("DELETE FROM claims WHERE fine_id = (SELECT min(fine_id) FROM claims)", "2 claims", 0),
        ("DELETE FROM lines WHERE number = 1", "2 lines", 0),
        ("INSERT INTO closed_shares SELECT id, 0, 2, 2 FROM batches", "closed in shares", 2),
    ],
)
def test_a_ledger_changed_by_hand_is_noticed_and_leaves_the_fines_held(
    library: Library,
    owned_ledger: Engine,
    bursar: Bursar,
    tmp_path: Path,
    change: str,
    reason: str,
    entries: int,
) -> None:
    found = selected(library)
    deliver(library.ledger, found.id, bursar.open(), tmp_path)
    with owned_ledger.begin() as connection:
        connection.execute(text(change))
        claims = connection.scalar(text("SELECT count(*) FROM claims"))
    with pytest.raises(BatchError, match=f"not closed: .*{reason}"):
        close_fines(library.ledger, found.id)
    assert library.one("SELECT count(*) FROM claims") == claims
    assert library.one("SELECT count(*) FROM journal WHERE batch_id IS NOT NULL") == entries


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
