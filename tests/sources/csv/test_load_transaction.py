"""A load is one transaction: all lines of all files or none, and after the desk."""

import threading
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from bursar.errors import InputFileError
from bursar.ledger import desk
from tests.support.library_system import LibrarySystem, wait_until_blocked

if TYPE_CHECKING:
    from bursar.sources.load import LoadResult

D = Decimal


def test_a_file_that_is_not_there_changes_nothing(system: LibrarySystem) -> None:
    before = system.everything()
    with pytest.raises(InputFileError, match="can't be read"):
        system.load(users=[{"last_name": "Other"}], fines=system.folder / "none.csv")
    assert system.everything() == before


def test_every_line_of_a_file_comes_in(system: LibrarySystem) -> None:
    for size in (1, 49, 50, 51, 999, 1000, 1001):
        fines = [{"fine_id": f"{size}/{number}", "amount": f"{number}"} for number in range(1, size + 1)]
        assert system.counts(fines=fines) == {"fines_added": size}
        assert system.counts(fines=fines) == {"fines_unchanged": size}
        loaded = f"SELECT count(*), sum(balance) FROM fines WHERE source_id LIKE '{size}/%'"
        assert system.rows(loaded) == [(size, size * (size + 1) // 2)]


def test_a_load_waits_for_the_desk_and_does_not_take_its_payment_again(system: LibrarySystem) -> None:
    system.load(fines=[{}])
    results: list[LoadResult] = []
    loading = threading.Thread(target=lambda: results.append(system.load(fines=[{"balance": "2.00"}])))
    with system.ledger.begin() as connection:
        desk.pay(connection, system.fine("F1").id, D("3.00"))
        loading.start()
        wait_until_blocked(connection)
    loading.join(10)
    assert [(result.counts.fines_unchanged, result.counts.warnings) for result in results] == [(1, 1)]
    assert system.fine("F1").balance == D("2.00")
