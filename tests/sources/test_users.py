"""Users of a source: renamed ones, identifiers that move, and identifiers that several users claim."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.support.library_system import LibrarySystem

ADA = {"user_id": "1", "primary_id": "ada", "last_name": "Ng"}
BO = {"user_id": "2", "primary_id": "bo", "last_name": "Wu"}


@pytest.fixture
def system(ledger: Engine, tmp_path: Path) -> LibrarySystem:
    """A library system with the users Ada and Bo, whose ids of its own are 1 and 2."""
    system = LibrarySystem(ledger, tmp_path)
    system.load(groups=[{"code": "UG", "name": "Undergraduate"}])
    system.load(users=[ADA | {"identifier:02": "7"}, BO | {"identifier:02": "8"}])
    return system


def list_identifiers(system: LibrarySystem) -> list[tuple[str, str, str]]:
    """Returns last name, type and value of all identifiers but the ids of the library system."""
    found: list[tuple[str, str, str]] = system.rows(
        "SELECT last_name, type, value FROM users JOIN identifiers ON user_id = id "
        "WHERE type <> 'sourceId' ORDER BY 1, 2"
    )
    return found


def test_a_user_is_renamed_and_the_fines_stay(system: LibrarySystem) -> None:
    system.load(fines=[{"primary_id": "ada"}])
    assert system.counts(users=[ADA | {"primary_id": "ada.ng", "identifier:02": "9"}]) == {"users_updated": 1}
    assert list_identifiers(system)[:2] == [("Ng", "02", "9"), ("Ng", "userName", "ada.ng")]
    fines = [{"fine_id": "F1", "primary_id": "", "user_id": "1", "balance": "4.00"}]
    assert system.counts(fines=fines) == {"fines_changed": 1}


def test_two_users_exchange_their_primary_ids_and_identifiers(system: LibrarySystem) -> None:
    users = [ADA | {"primary_id": "bo", "identifier:02": "8"}, BO | {"primary_id": "ada", "identifier:02": "7"}]
    assert system.counts(users=users) == {"users_updated": 2}
    assert list_identifiers(system) == [
        ("Ng", "02", "8"), ("Ng", "userName", "bo"), ("Wu", "02", "7"), ("Wu", "userName", "ada")
    ]  # fmt: skip


def test_an_identifier_moves_to_another_user(system: LibrarySystem) -> None:
    assert system.messages(users=[ADA | {"identifier:02": ""}, BO | {"identifier:02": "7"}]) == []
    assert list_identifiers(system) == [("Ng", "userName", "ada"), ("Wu", "02", "7"), ("Wu", "userName", "bo")]


def test_a_primary_id_of_a_user_who_is_not_in_the_file_is_rejected(system: LibrarySystem) -> None:
    assert system.messages(users=[ADA | {"primary_id": "bo"}]) == [
        'rejected: primary_id "bo" is that of another user in the ledger; load that user with the new primary_id, too'
    ]
    new = {"user_id": "3", "primary_id": "ada", "last_name": "Xi"}
    assert len(system.messages(users=[new])) == 1
    assert [row[0] for row in list_identifiers(system)] == ["Ng", "Ng", "Wu", "Wu"]


def test_a_primary_id_stays_taken_if_the_row_that_gives_it_up_is_rejected(system: LibrarySystem) -> None:
    new = {"user_id": "3", "primary_id": "ada", "last_name": "Xi"}
    messages = system.messages(users=[ADA | {"primary_id": "ada.ng", "user_group": "NONE"}, new, BO])
    assert len(messages) == 2
    assert 'primary_id "ada" is that of another user in the ledger' in "".join(messages)
    assert [row[0] for row in list_identifiers(system)] == ["Ng", "Ng", "Wu", "Wu"]


def test_two_rows_of_one_user_are_not_two_users(system: LibrarySystem) -> None:
    renamed = ADA | {"primary_id": "ada.ng", "identifier:02": "7"}
    old = ADA | {"user_id": "", "identifier:02": "7"}
    assert system.messages(users=[renamed, old]) == [
        'rejected: primary_id "ada" is that of a user who is on line 2 already; leave one out'
    ]
    assert list_identifiers(system)[:2] == [("Ng", "02", "7"), ("Ng", "userName", "ada.ng")]


def test_the_id_of_a_user_is_in_the_file_once(system: LibrarySystem) -> None:
    assert system.messages(users=[ADA, BO | {"user_id": "1", "primary_id": "cy"}]) == [
        'rejected: user_id "1" is on line 2 already; leave one out'
    ]


def test_sources_have_ids_of_their_own(system: LibrarySystem) -> None:
    other = {"user_id": "1", "primary_id": "cy", "last_name": "Xi"}
    assert system.counts(rules={"code": "law"}, users=[other]) == {"users_added": 1}
    assert system.rows("SELECT count(*) FROM users") == [3]


def test_a_contested_identifier_belongs_to_none_until_one_user_gives_it_up(system: LibrarySystem) -> None:
    claim = BO | {"identifier:02": "7"}
    both = system.messages(users=[claim])
    assert [message[:45] for message in both] == ['warning: identifier:02 "7" is claimed by 2 us'] * 2
    assert list_identifiers(system) == [("Ng", "userName", "ada"), ("Wu", "userName", "bo")]
    assert system.messages(users=[claim]) == [], "it is reported once"
    assert system.messages(users=[ADA | {"identifier:02": "7"}]) == []
    assert ("Ng", "02", "7") not in list_identifiers(system)
    assert system.messages(users=[ADA | {"identifier:02": "9"}]) == []
    assert list_identifiers(system) == [
        ("Ng", "02", "9"), ("Ng", "userName", "ada"), ("Wu", "02", "7"), ("Wu", "userName", "bo")
    ]  # fmt: skip
    assert system.rows("SELECT count(*) FROM contested_identifiers") == [0]


def test_a_file_without_the_column_leaves_claims_and_identifiers(system: LibrarySystem) -> None:
    system.load(users=[BO | {"identifier:02": "7"}])
    for _ in range(2):
        assert system.messages(users=[ADA, BO]) == []
        assert system.rows("SELECT count(*) FROM contested_identifiers") == [2]
    assert system.messages(users=[ADA | {"identifier:02": ""}]) == []
    assert ("Wu", "02", "7") in list_identifiers(system)
