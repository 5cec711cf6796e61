"""A load is one transaction: all lines of all files or none, and after the desk."""

import threading
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from bursar.db.queries import query
from bursar.errors import InputFileError
from bursar.ledger import desk
from bursar.users.deletion import delete_user
from tests.support.library_system import LibrarySystem, wait_until_blocked

if TYPE_CHECKING:
    from bursar.sources.load_types import LoadResult

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


@pytest.mark.parametrize("is_deletion", [True, False], ids=["deletion", "load"])
def test_loads_and_deletions_of_users_run_one_after_the_other(system: LibrarySystem, is_deletion: bool) -> None:
    """Else a load would give identifiers to a deleted user."""
    before = system.everything()
    [user] = system.rows("SELECT id FROM users WHERE last_name = 'Wu'")

    def work() -> None:
        if is_deletion:
            delete_user(system.ledger, user)
        else:
            system.load(users=[{"primary_id": "u2", "last_name": "Xi"}])

    working = threading.Thread(target=work)
    with system.ledger.begin() as connection:
        connection.execute(query("ledger/lock_loads"))
        working.start()
        wait_until_blocked(connection)
        assert system.everything() == before
    working.join(10)
    assert ("Wu" in str(system.rows("SELECT last_name FROM users")), system.everything() == before) == (False, False)
