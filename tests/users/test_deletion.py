"""Deleting a user on a real ledger: who can be deleted, which data is erased, and which data is kept."""

import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from bursar.errors import BatchError, LedgerError
from bursar.exports.build import build_file
from bursar.exports.recover import clear_work_dirs
from bursar.ledger import desk
from bursar.sources.csv.load import load as load_csv
from bursar.sources.load_types import LoadCounts, SourceRules
from bursar.users import deletion
from bursar.work_dir import batch_folder
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fixtures import Library
from tests.support.library_system import LibrarySystem

D = Decimal


def get_error(library: Library, user: int) -> str:
    with pytest.raises(LedgerError) as refused:
        deletion.delete_user(library.ledger, user)
    return str(refused.value)


def dump_table(library: Library, table: str) -> str:
    """Returns all rows of a table as text."""
    return str(library.one(f"SELECT coalesce(string_agg(CAST({table} AS text), '\n'), '') FROM {table}"))


def test_the_error_lists_each_active_fine_with_its_amount_and_bursar(library: Library, office: FakeBursar) -> None:
    user = library.user()
    exported = library.fine(user, "30.00")
    office.export()
    at_the_library = library.fine(user, "2.50")
    claimed = library.fine(user, "4.00", owner="LAW")
    with library.ledger.begin() as connection:
        desk.dispute(connection, at_the_library, "never had it")
    batch = office.export(close=False, profile="LAWYERS")

    message = get_error(library, user)

    assert f"User {user} can't be deleted: 3 fines are considered active." in message
    transaction = office.get_transaction(exported)
    assert f"fine {exported}: 30.00 USD outstanding at the bursar STUDENTS, transaction {transaction}\n" in message
    assert f"fine {at_the_library}: 2.50 USD owed at the library\n" in message
    assert (
        f"fine {claimed}: 4.00 USD owed at the library, on its way to the bursar LAWYERS in batch {batch}\n" in message
    )
    assert "imported" in message
    assert "Beaver" not in message
    assert library.one("SELECT last_name FROM users WHERE id = :id", id=user) == "Beaver"


def test_the_error_lists_at_most_20_fines(library: Library) -> None:
    user = library.user()
    for _ in range(21):
        library.fine(user, "1.00")
    assert "  and 1 more\n" in get_error(library, user)


def test_a_deletion_erases_personal_data_and_keeps_the_amounts(library: Library, office: FakeBursar) -> None:
    other = library.user("99", last="Otter")
    user = library.user("7700", last="Wintermute", first="Ada")
    fine = library.fine(user, "10.00", comment="Ada W. says the dog ate it")
    kept = library.fine(other, "20.00", comment="will pay")
    office.export()
    office.pay(Payment(office.get_transaction(fine), "10.00"), Payment(office.get_transaction(kept), "20.00"))
    journal = dump_table(library, "journal_entries")

    assert deletion.delete_user(library.ledger, user)

    for table in ("users", "identifiers", "batch_lines", "fines", "import_records"):
        found = dump_table(library, table)
        for personal in ("Wintermute", "Ada", "7700", "dog"):
            assert personal not in found, table
    assert "Otter" in dump_table(library, "batch_lines")
    assert dump_table(library, "journal_entries") == journal
    assert library.position(fine) == ("TRANSFERRED", D(0), D(0))
    assert not deletion.delete_user(library.ledger, user), "a repeated deletion changes nothing"


def test_the_identifiers_of_a_deleted_user_can_be_used_again(library: Library) -> None:
    user = library.user("4711")
    deletion.delete_user(library.ledger, user)
    library.user("4711")


def test_an_unknown_user_is_an_error(library: Library) -> None:
    assert get_error(library, 404) == "There is no user 404."


def test_a_file_with_deleted_users_is_not_built_again(library: Library, office: FakeBursar, tmp_path: Path) -> None:
    user = library.user()
    fine = library.fine(user, "10.00")
    batch = office.export()
    built = build_file(library.ledger, batch, tmp_path)
    with library.ledger.begin() as connection:
        connection.execute(
            text("UPDATE batch_files SET sha256 = :sha256 WHERE batch_id = :id"), {"sha256": built.sha256, "id": batch}
        )
    office.pay(Payment(office.get_transaction(fine), "10.00"))
    deletion.delete_user(library.ledger, user)
    built.path.unlink()

    with pytest.raises(
        BatchError,
        match=f"batch {batch} can't be built again: the user of 1 fine in it has been deleted .*{built.sha256}",
    ):
        build_file(library.ledger, batch, tmp_path)


def test_working_files_of_completed_exports_are_removed(library: Library, office: FakeBursar, tmp_path: Path) -> None:
    files = {}
    for profile, close in (("STUDENTS", True), ("LAW", False)):
        library.fine()
        batch = office.export(profile=profile, close=close)
        files[profile] = batch_folder(tmp_path / profile, batch) / "built.xml"
        files[profile].parent.mkdir(parents=True)
        files[profile].write_text("names")

    assert clear_work_dirs(library.ledger, tmp_path) == 1

    assert not files["STUDENTS"].exists()
    assert files["LAW"].exists(), "the file of an unfinished batch"
    assert clear_work_dirs(library.ledger, tmp_path) == 0


def test_removing_working_files_checks_no_file_of_past_exports(
    library: Library, office: FakeBursar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of file operations depends on the existing folders, not on the number of past exports."""
    accessed = []
    for name in ("stat", "lstat", "open"):
        function = getattr(os, name)

        def count_access(path: Any, *args: Any, function: Any = function, **kwargs: Any) -> Any:
            accessed.append(str(path))
            return function(path, *args, **kwargs)

        monkeypatch.setattr(os, name, count_access)
    (tmp_path / "STUDENTS").mkdir()
    numbers = []
    for _ in range(2):
        for _ in range(3):
            library.fine()
            office.export()
        accessed.clear()
        assert clear_work_dirs(library.ledger, tmp_path) == 0
        numbers.append(len([path for path in accessed if path.startswith(str(tmp_path))]))
    assert numbers[0] == numbers[1] > 0


def test_a_payment_for_a_deleted_user_is_reported_and_its_file_is_applied(library: Library, office: FakeBursar) -> None:
    user = library.user()
    deleted, other = library.fine(user, "10.00"), library.fine(amount="5.00")
    office.export()
    first, second = office.get_transaction(deleted), office.get_transaction(other)
    office.pay(Payment(first, "10.00"))
    deletion.delete_user(library.ledger, user)

    outcomes = office.pay(
        Payment(first, "3.00"), Payment(second, "5.00"), Payment(None, "2.00", internal_id=str(deleted))
    )

    assert [outcome.outcome for outcome in outcomes] == ["ALREADY_SETTLED", "PAID", "ALREADY_SETTLED"]
    assert library.one("SELECT count(*) FROM fines WHERE user_id = :user", user=user) == 1, (
        "no credit for a deleted user"
    )


@pytest.mark.parametrize("amount", ["5.00", "-5.00"])
def test_a_deleted_user_gets_no_fines(library: Library, amount: str) -> None:
    user = library.user()
    deletion.delete_user(library.ledger, user)
    with pytest.raises(LedgerError, match=f"user {user} was deleted"):
        library.fine(user, amount)
    assert library.one("SELECT count(*) FROM fines") == 0


def test_a_load_may_contain_fines_of_a_deleted_user(library: Library, tmp_path: Path) -> None:
    fines, users = tmp_path / "fines.csv", tmp_path / "users.csv"
    header = "fine_id,primary_id,fine_fee_type,amount,balance,created_at\n"
    fines.write_text(f"{header}F1,ada,OVERDUEFINE,5.00,0,2026-01-01\n")
    users.write_text(
        "primary_id,last_name,first_name,user_group,expiry_date,purge_date\nada,Wintermute,Ada,STUDENT,,\n"
    )

    def load(**files: Any) -> tuple[LoadCounts, list[str]]:
        rules = SourceRules(currency="USD", time_zone="America/New_York")
        result = load_csv(library.ledger, rules, **files)
        return result.counts, [message.code for message in result.messages]

    load(fines=fines, users=users)
    with library.ledger.connect() as connection:
        user = deletion.find_user(connection, "ada")
    deletion.delete_user(library.ledger, user)

    assert load(fines=fines) == (LoadCounts(rows=1, fines_unchanged=1), [])
    again = LoadCounts(rows=2, users_added=1, fines_unchanged=1)
    assert load(fines=fines, users=users) == (again, []), "also if the user is loaded again"
    fines.write_text(f"{header}F1,ada,OVERDUEFINE,5.00,5.00,2026-01-01\n")
    assert load(fines=fines) == (LoadCounts(rows=1, fines_unchanged=1, warnings=1), ["user_deleted"])
    assert load(fines=fines) == (LoadCounts(rows=1, fines_unchanged=1), []), "each value is warned of once"
    assert library.one("SELECT count(*) FROM fines") == 1
    assert library.one("SELECT balance FROM fines") == 0


def test_a_deletion_erases_what_loads_said_about_the_user(library: Library, tmp_path: Path) -> None:
    system = LibrarySystem(library.ledger, tmp_path)
    rules = {"code": "LAW"}
    ada = {"primary_id": 'ada "the" \\ first', "user_group": "STUDENT", "identifier:02": "0" * 70 + "7"}
    eve = ada | {"primary_id": "eve", "identifier:02": "8"}
    charge = {"primary_id": ada["primary_id"], "balance": "0"}
    system.load(users=[ada, eve], fines=[charge, {"fine_id": "F2", "primary_id": "eve", "balance": "0"}], rules=rules)
    system.load(
        users=[
            eve | {"expiry_date": "never", "identifier:02": "9"},  # of the other user
            ada | {"user_group": "Ada's"},  # her group is no identifier, and names nobody
            ada | {"primary_id": "ada2"},
            ada | {"primary_id": ada["primary_id"], "last_name": "Twice"},
        ],
        fines=[charge | {"amount": "Ada's"}, {"fine_id": "F3", "primary_id": "eve", "comment": "x", "amount": "Eve's"}],
        rules=rules,
    )
    messages = "SELECT string_agg(concat_ws(' ', code, value, reason), E'\\n' ORDER BY number) FROM load_messages"
    before = library.one(messages)
    for personal in ("ada", "0000", "Ada's"):
        assert personal in before
    user = library.one("SELECT user_id FROM fines WHERE source_id = 'F1'")
    assert deletion.delete_user(library.ledger, user)
    after = library.one(messages)
    for personal in ("the", "0000", 'amount "Ada'):
        assert personal not in after.replace("since the user", "")
    for kept in ("never", "Eve's"):
        assert kept in after
    assert after.count("erased, since the user was deleted") == 4, after
    assert after.count("\n") == before.count("\n"), "the rows stay counted"


def test_a_deletion_erases_claims_to_identifiers_and_deferred_rows(library: Library) -> None:
    users = [library.user(), library.user()]
    fines = [library.fine(user, "5.00", source_id=f"F{user}") for user in users]
    with library.ledger.begin() as connection:
        for user, fine in zip(users, fines, strict=True):
            claim = text("INSERT INTO contested_identifiers VALUES ('02', '7', :user)")
            connection.execute(claim, {"user": user})
            desk.pay(connection, fine)
        deferred = (
            "INSERT INTO deferred_fines SELECT source, source_id, 1, 'fines.csv', 2, '{\"comment\": 1}' FROM fines"
        )
        connection.exec_driver_sql(deferred)
    deletion.delete_user(library.ledger, users[0])
    assert library.one("SELECT user_id FROM contested_identifiers") == users[1]
    assert library.one("SELECT source_id FROM deferred_fines") == f"F{users[1]}"


class TestFindUser:
    """A user is found by the primary id or the internal id."""

    def find_user(self, library: Library, user_id: str) -> int:
        with library.ledger.connect() as connection:
            return deletion.find_user(connection, user_id)

    def test_both_ids_find_the_user(self, library: Library) -> None:
        library.user()
        user = library.user()
        primary_id = library.one("SELECT value FROM identifiers WHERE user_id = :user AND type = 'userName'", user=user)
        assert self.find_user(library, primary_id) == self.find_user(library, str(user)) == user

    def test_other_identifiers_find_no_user(self, library: Library) -> None:
        library.user("A-17")
        with pytest.raises(LedgerError, match="No user has the primary id or the internal id A-17"):
            self.find_user(library, "A-17")

    def test_an_ambiguous_id_is_an_error(self, library: Library, owned_ledger: Engine) -> None:
        first, second = library.user(), library.user()
        with owned_ledger.begin() as connection:
            connection.execute(
                text("UPDATE identifiers SET value = :value WHERE user_id = :user AND type = 'userName'"),
                {"value": str(first), "user": second},
            )
        with pytest.raises(LedgerError, match=f"of users {first} and {second}"):
            self.find_user(library, str(first))
