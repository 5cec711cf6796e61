"""Fines and users: the search, the account of a user, the life of a fine, and the record of accesses."""

import re
from datetime import timedelta

from sqlalchemy import Engine, text

from bursar.exports.close import close_fines
from bursar.exports.selection import select_fines
from bursar.users.deletion import delete_user
from tests.support.fixtures import NOW, Library, make_profile, make_settings, record_delivery
from tests.web.conftest import Login

HEBREW = "\u05db\u05d4\u05df"


def words(page: str) -> str:
    """Returns the text of a page without its markup, in one line."""
    return " ".join(re.sub("<[^>]+>", " ", page).split())


def export(library: Library) -> None:
    batch = select_fines(library.ledger, make_profile(), make_settings(), run_id="run", as_of=NOW)
    record_delivery(library.ledger, batch.id)
    close_fines(library.ledger, batch.id)


def test_the_search_finds_fines_and_users_and_records_whose_names_it_shows(login: Login, library: Library) -> None:
    user = library.user("00000815", last=HEBREW, first="Noa")
    fine = library.fine(user, source_id="F-77")
    other = library.user(last="Else")
    export(library)
    transaction = library.one("SELECT transaction_id FROM batch_lines")
    client = login("user")
    for wanted in (transaction, str(fine), "F-77"):
        page = client.post("/fines", data={"wanted": wanted}).text
        assert f"/bursar/fines/{fine}" in page, wanted
        assert f"<bdi>{HEBREW}, Noa</bdi>" in page
    assert f"transaction {transaction}" in client.post("/fines", data={"wanted": transaction}).text
    for wanted in ("00000815", HEBREW):
        assert f"/bursar/users/{user}" in client.post("/fines", data={"wanted": wanted}).text
    assert "Nothing was found" in client.post("/fines", data={"wanted": "%"}).text
    assert library.one("SELECT array_agg(DISTINCT user_id) FROM user_accesses") == [user]
    assert library.one("SELECT count(DISTINCT person) FROM user_accesses") == 1
    assert other != user


def test_an_account_shows_what_is_owed_and_where(login: Login, library: Library) -> None:
    user = library.user(last="<i>Beaver")
    library.fine(user, "10.00")
    export(library)
    library.fine(user, "3.00")
    library.fine(user, "4.00", currency="EUR")
    select_fines(library.ledger, make_profile(code="STAFF"), make_settings(), run_id="second", as_of=NOW)
    page = login("user").get(f"/users/{user}").text
    shown = words(page)
    assert "At the bursar of STUDENTS 1 fine 10.00 USD" in shown
    assert "At the library 1 fine, being exported in batch 2 of STAFF 3.00 USD" in shown
    assert "At the library 1 fine, being exported in batch 2 of STAFF 4.00 EUR" in shown
    assert "&lt;i&gt;Beaver" in page
    assert "<i>" not in page
    assert library.one("SELECT person || user_id FROM user_accesses") == f"user_person{user}"


def test_an_account_that_does_not_exist_is_no_access(login: Login, library: Library) -> None:
    user = library.user()
    assert login("user").get(f"/users/{user + 1}").status_code == 404
    assert library.one("SELECT count(*) FROM user_accesses") == 0


def test_a_number_that_no_user_and_no_fine_can_have_is_refused(login: Login, library: Library) -> None:
    user = library.user()
    for address in (f"/users/{10**30}", f"/users/{user}?below={10**30}", f"/fines/{10**30}"):
        assert login("user").get(address).status_code == 422


def test_the_name_in_the_heading_keeps_its_direction(login: Login, library: Library) -> None:
    user = library.user(last=HEBREW)
    assert f"<h1><bdi>{HEBREW}, Tim</bdi></h1>" in login("user").get(f"/users/{user}").text


def test_held_overpayments_are_shown_with_their_decisions_to_those_who_may_decide(
    login: Login, library: Library, owned_ledger: Engine
) -> None:
    fine = library.fine(amount="10.00")
    user = library.one("SELECT user_id FROM fines")
    export(library)
    with owned_ledger.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO import_files (profile, run_id, name, size, modified, sha256, amount_mode, applied_at)"
                " VALUES ('STUDENTS', 'run', 'paid.xml', 1, now(), 'x', 'incremental', now())"
            )
        )
        connection.execute(
            text(
                "INSERT INTO import_records (file_id, number, line, fine_id, matched_id, outcome, amount, applied,"
                " held_amount) VALUES (1, 7, 7, :fine, 'T1', 'OVERPAID_HELD', 99, 10, 89)"
            ),
            {"fine": fine},
        )
    for address in (f"/users/{user}", f"/fines/{fine}"):
        page = login("user").get(address).text
        assert "Overpaid by 89.00 USD: record 7 of paid.xml , transaction T1" in words(page)
        assert "/overpayments/" not in page
        assert "/bursar/overpayments/1/7/release" in login("op").get(address).text


def test_a_deleted_user_has_no_name_and_keeps_the_fines(login: Login, library: Library) -> None:
    user = library.user(last="Secret")
    fine = library.fine(user)
    with library.ledger.begin() as connection:
        connection.execute(
            text("INSERT INTO journal_entries (fine_id, entry_type, balance_change) VALUES (:id, 'WAIVED', -12.5)"),
            {"id": fine},
        )
    delete_user(library.ledger, user, by="anna")
    page = login("user").get(f"/users/{user}").text
    assert "Deleted user" in page
    assert "This user was deleted" in page
    assert f"/bursar/fines/{fine}" in page
    assert "Deleted user" in login("user").get(f"/fines/{fine}").text


def test_the_life_of_a_fine_is_in_the_order_of_time(login: Login, library: Library) -> None:
    fine = library.fine(amount="10.00")
    export(library)
    with library.ledger.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO deliveries (batch_id, file_number, kind, run_id, delivered_at, remote_folder)"
                " VALUES (1, 1, 'resend', 'again', now() - interval '1 minute', 'out')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO journal_entries (fine_id, entry_type, outstanding_change, posted_at)"
                " VALUES (:fine, 'PAID_AT_BURSAR', -10, :later)"
            ),
            {"fine": fine, "later": NOW + timedelta(days=9999)},
        )
    shown = words(login("user").get(f"/fines/{fine}").text)
    assert shown.index("charged") < shown.index("resent") < shown.index("paid at the bursar")
    assert shown.index("charged") < shown.index(" exported ")
