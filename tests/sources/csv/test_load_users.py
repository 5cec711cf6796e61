"""Loading users, groups and libraries from CSV files."""

from decimal import Decimal

from tests.support.library_system import LibrarySystem

D = Decimal


def test_users_come_in_with_their_identifiers(system: LibrarySystem) -> None:
    users = [
        {"primary_id": "u9", "last_name": "Óbuda", "expiry_date": "2026-09-30", "identifier:02": "0071"},
        {"primary_id": "u8", "first_name": "", "user_group": "GR", "purge_date": "2027-01-31", "identifier:02": ""},
    ]
    assert system.counts(users=users) == {"users_added": 2}
    assert system.rows(
        "SELECT last_name, first_name, user_group, CAST(expiry_date AS text), CAST(purge_date AS text), "
        "array_agg(type || '=' || value ORDER BY type) FROM users JOIN identifiers ON user_id = id "
        "WHERE id > 2 GROUP BY id ORDER BY id"
    ) == [
        ("Óbuda", "Ada", "UG", "2026-09-30", None, ["02=0071", "userName=u9"]),
        ("Ng", "", "GR", None, "2027-01-31", ["userName=u8"]),
    ]


def test_a_known_user_is_brought_up_to_date(system: LibrarySystem) -> None:
    system.load(users=[{"identifier:02": "007", "identifier:03": "x", "purge_date": "2027-01-31"}])
    changed = {"last_name": "Nguyen", "user_group": "GR", "expiry_date": "2028-01-31", "identifier:02": "008"}
    assert system.counts(users=[changed, {"primary_id": "u3"}]) == {"users_added": 1, "users_updated": 1}
    assert system.rows(
        "SELECT last_name, user_group, CAST(expiry_date AS text), purge_date, value "
        "FROM users JOIN identifiers ON user_id = id WHERE id = 1 ORDER BY type"
    ) == [("Nguyen", "GR", "2028-01-31", None, value) for value in ("008", "x", "u1")]


def test_a_blank_identifier_is_taken_away_and_one_without_a_column_stays(system: LibrarySystem) -> None:
    system.load(users=[{"identifier:02": "007", "identifier:03": "x"}])
    system.load(users=[{"identifier:02": ""}])
    assert system.rows("SELECT value FROM identifiers WHERE user_id = 1 ORDER BY type") == ["x", "u1"]


def test_two_users_can_exchange_identifiers(system: LibrarySystem) -> None:
    system.load(users=[{"identifier:02": "1"}, {"primary_id": "u2", "identifier:02": "2"}])
    system.load(users=[{"identifier:02": "2"}, {"primary_id": "u2", "identifier:02": "1"}])
    assert system.rows("SELECT value FROM identifiers WHERE type = '02' ORDER BY user_id") == ["2", "1"]


def test_groups_and_libraries_are_renamed(system: LibrarySystem) -> None:
    system.load(groups=[{"code": "UG", "name": "Bachelor"}], libraries=[{"code": "LAW", "id": "113", "name": "Jus"}])
    assert system.rows("SELECT name FROM user_groups ORDER BY code") == ["Graduate", "Bachelor"]
    assert system.rows("SELECT id, name FROM libraries ORDER BY code") == [("113", "Jus"), ("111", "Main")]
