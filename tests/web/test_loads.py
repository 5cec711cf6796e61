"""The list of loads, and the report of a load with the rows that it rejected, deferred or warned about."""

import csv
import json
import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from bursar.exports.recover import release_batch
from bursar.exports.selection import select_fines
from bursar.sources.load_types import InvalidRowsError
from tests.support.fixtures import NOW, Library, make_profile, make_settings
from tests.support.library_system import LibrarySystem
from tests.web.conftest import ROLES, Login
from tests.web.test_fines import words
from tests.web.test_sources import GROUPS

RULES = {"code": "LAW"}
SECRET = "<b>Özdemir"
pytestmark = pytest.mark.usefixtures("profiles_folder")


@pytest.fixture
def system(library: Library, tmp_path: Path) -> LibrarySystem:
    """Returns a library system that has loaded one user with one fine, from the source LAW."""
    made = LibrarySystem(library.ledger, tmp_path)
    made.load(groups=GROUPS, users=[{}], fines=[{}], rules=RULES)
    return made


def load_bad_rows(system: LibrarySystem) -> None:
    """Loads a changed fine and two bad rows, as load 2."""
    changed = {"balance": "3.00"}
    bad = [{"fine_id": "=1+1", "amount": SECRET}, {"fine_id": "F3", "primary_id": SECRET}]
    system.load(fines=[changed, *bad], rules=RULES)


def follow(client: TestClient, address: str) -> Iterator[str]:
    """Yields the pages of a list."""
    while address:
        page = client.get(address).text
        yield page
        address = page.partition('class="pager"><a href="/bursar')[2].partition('"')[0].replace("&amp;", "&")


def count_accesses(library: Library) -> Any:
    return library.one("SELECT string_agg(person || ' ' || load_id, ', ' ORDER BY id) FROM user_accesses")


def test_a_report_has_files_counts_entries_and_rows_with_what_to_do(
    login: Login, library: Library, system: LibrarySystem
) -> None:
    load_bad_rows(system)
    client = login("user")
    page = client.get("/loads/2").text
    shown = words(page)
    sha256 = library.one("SELECT files->0->>'sha256' FROM loads WHERE id = 2")
    assert f"fines.csv {sha256} 3" in shown
    assert "Rows read 3 Rows rejected 2 Fines added 0 Fines changed 1" in shown
    assert "paid at the library 1 -2.00 EUR 0.00 EUR" in shown
    assert "malformed 1" in shown
    assert "unknown user 1" in shown
    assert "&lt;b&gt;Özdemir" in page
    assert SECRET not in page
    assert "rejected fines.csv 3" in shown
    assert count_accesses(library) == "user_person 2"
    assert "No row has to be looked at." in client.get("/loads/1").text
    assert "There is no such row." in client.get("/loads/2?kind=deferred").text
    assert count_accesses(library) == "user_person 2"
    assert client.get("/loads/2?kind=nonsense").status_code == 422


def test_the_rows_are_csv_that_is_safe_in_a_spreadsheet(login: Login, library: Library, system: LibrarySystem) -> None:
    load_bad_rows(system)
    answer = login("user").get("/loads/2/rows.csv")
    rows = list(csv.DictReader(StringIO(answer.content.decode("utf-8-sig"))))
    assert [row["fine_id"] for row in rows] == ["'=1+1", "F3"]
    assert rows[0]["value"] == SECRET
    assert rows[0]["remedy"]
    assert "Özdemir" not in answer.headers["content-disposition"]
    assert count_accesses(library) == "user_person 2"


def test_a_viewer_sees_counts_and_reasons_and_no_row(login: Login, library: Library, system: LibrarySystem) -> None:
    load_bad_rows(system)
    client = login("viewer")
    page = client.get("/loads/2").text
    assert "malformed 1" in words(page)
    for hidden in ("Özdemir", "=1+1", "F3", "rows.csv"):
        assert hidden not in page, hidden
    assert "you need the right to trigger the DAG of this source" in page
    assert client.get("/loads/2/rows.csv").status_code == 403
    assert count_accesses(library) is None


def test_loads_of_files_without_a_source_are_for_those_who_may_edit(
    login: Login, library: Library, system: LibrarySystem
) -> None:
    system.load(fines=[{"fine_id": "X", "amount": SECRET}])
    for role in ROLES:
        client, sees = login(role), role in {"op", "admin"}
        for address in ("/loads/2", "/loads/2/rows.csv"):
            assert client.get(address).status_code == (200 if sees else 403), (role, address)
        for address in ("/loads", "/loads?source=-", "/waiting"):
            page = client.get(address).text
            assert ("/bursar/loads/2" in page) == sees, (role, address)
            assert ("files that a person named" in page) == sees
    assert "/bursar/loads/1" not in login("admin").get("/loads?source=-").text


def test_a_refused_load_says_that_nothing_was_loaded(login: Login, system: LibrarySystem) -> None:
    with pytest.raises(InvalidRowsError):
        system.load(fines=[{"fine_id": f"N{n}", "amount": "x"} for n in range(30)], rules=RULES)
    client = login("viewer")
    assert "Nothing was loaded: 30 of 30 rows were rejected (30 malformed)" in words(client.get("/loads/2").text)
    assert "nothing was loaded" in client.get("/loads").text
    assert "Nothing was loaded" in client.get("/waiting").text


def test_loads_and_rows_are_paged(login: Login, system: LibrarySystem) -> None:
    with system.ledger.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO loads (source, started_at, is_complete, is_refused, files, counts, rejected, entries)"
                " SELECT 'LAW', now(), false, false, CAST(:files AS jsonb), '{}', '{}', '[]'"
                " FROM generate_series(1, 120)"
            ),
            {"files": json.dumps([{"table": "fines", "name": "<i>.csv", "rows": 0, "sha256": None}])},
        )
        connection.exec_driver_sql(
            "INSERT INTO load_messages (load_id, number, kind, code, file, line, value, reason, remedy)"
            " SELECT 1, n, CASE mod(n, 2) WHEN 0 THEN 'warning' ELSE 'rejected' END, 'x', 'f', n, 'V' || n, 'r', 'm'"
            " FROM generate_series(1, 130) AS n"
        )
    client = login("user")
    pages = list(follow(client, "/loads"))
    assert [int(id_) for page in pages for id_ in re.findall(r'loads/(\d+)"', page)] == list(range(121, 0, -1))
    assert "<i>.csv" not in pages[0]
    for kind, numbers in (("", range(1, 131)), ("?kind=warning", range(2, 131, 2))):
        pages = list(follow(client, f"/loads/1{kind}"))
        assert [int(number) for page in pages for number in re.findall(r"<bdi>V(\d+)<", page)] == list(numbers)
        assert len(pages) > 1


def test_a_load_that_does_not_exist_has_a_page(login: Login) -> None:
    for address in ("/loads/7", "/loads/7/rows.csv"):
        assert login("admin").get(address).status_code == 404
    assert login("admin").get(f"/loads/{10**30}").status_code == 422


def test_the_newest_load_of_a_source_waits_for_a_person(login: Login, library: Library, system: LibrarySystem) -> None:
    client = login("viewer")
    assert "Nothing waits for a person." in client.get("/waiting").text
    select_fines(
        library.ledger,
        make_profile(institutional_fine_fee=True, user_identifier_type="userName"),
        make_settings(),
        run_id="run",
        as_of=NOW,
    )
    system.load(fines=[{"balance": "1.00"}, {"fine_id": "F2", "amount": SECRET}], rules=RULES)
    page = client.get("/waiting").text
    assert "1 row rejected, 1 row deferred" in words(page)
    assert 'href="/bursar/loads/2#rows"' in page
    assert "Özdemir" not in page


def list_waiting(client: TestClient) -> list[int]:
    """Returns the loads that wait for a person."""
    return [int(load) for load in re.findall(r"/loads/(\d+)#rows", client.get("/waiting").text)]


def test_rejected_rows_wait_until_a_complete_load_had_all_rows_again(login: Login, system: LibrarySystem) -> None:
    load_bad_rows(system)
    client = login("viewer")
    system.load(fines=[{"balance": "3.00"}], rules=RULES)
    assert list_waiting(client) == [2], "that load had other rows"
    with pytest.raises(InvalidRowsError):
        system.load(fines=[{"amount": "x"}], rules=RULES | {"complete": True}, strict=True)
    assert list_waiting(client) == [4, 2]
    system.load(fines=[{"balance": "3.00"}, {"fine_id": "F3", "amount": "x"}], rules=RULES | {"complete": True})
    assert list_waiting(client) == [5]
    system.load(fines=[{"balance": "3.00"}], rules=RULES | {"complete": True})
    assert "Nothing waits for a person." in client.get("/waiting").text


def test_deferred_rows_wait_until_a_load_applies_them(login: Login, library: Library, system: LibrarySystem) -> None:
    batch = select_fines(
        library.ledger,
        make_profile(institutional_fine_fee=True, user_identifier_type="userName"),
        make_settings(),
        run_id="run",
        as_of=NOW,
    )
    system.load(fines=[{"balance": "1.00"}], rules=RULES)
    system.load(users=[{}], rules=RULES)
    client = login("viewer")
    assert list_waiting(client) == [3], "it defers the row again"
    release_batch(library.ledger, batch.id, confirmed_not_received=True)
    system.load(users=[{}], rules=RULES)
    assert list_waiting(client) == []


def test_a_warning_waits_until_a_person_has_seen_it(login: Login, library: Library, system: LibrarySystem) -> None:
    rules = RULES | {"complete": True}
    for other in ("F2", "F2"):
        system.load(fines=[{"fine_id": other}], rules=rules)
    assert library.one("SELECT string_agg(load_id || code, ' ') FROM load_messages") == "2missing_fine"
    viewer, user = login("viewer"), login("user")
    assert list_waiting(viewer) == [2], "a newer load without warnings does not hide it"
    assert "Mark as seen" not in viewer.get("/loads/2").text
    assert "Mark as seen" not in user.get("/loads/3").text
    assert "Mark as seen" in user.get("/loads/2").text
    for client, status in ((login(None), 401), (viewer, 403)):
        assert client.post("/loads/2/seen", data={"x": "y"}).status_code == status
    assert user.post("/loads/2/seen", data={"x": "y"}, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert list_waiting(viewer) == [2]
    for client in (user, login("admin")):
        answer = client.post("/loads/2/seen", data={"x": "y"}, follow_redirects=False)
        assert answer.headers["location"].endswith("/loads/2")
    assert list_waiting(viewer) == []
    assert "Seen by user_person, " in words(user.get("/loads/2").text)
    assert "Mark as seen" not in user.get("/loads/2").text
    assert user.post("/loads/99/seen", data={"x": "y"}).status_code == 404


def test_loads_that_wait_are_paged(login: Login, system: LibrarySystem) -> None:
    with system.ledger.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO loads (source, started_at, is_complete, is_refused, files, counts, rejected, entries)"
            " SELECT 'LAW', now(), true, false, '[]', '{\"warnings\": 1}', '{}', '[]' FROM generate_series(1, 120)"
        )
    pages = list(follow(login("viewer"), "/waiting"))
    assert [int(id_) for page in pages for id_ in re.findall(r"loads/(\d+)#rows", page)] == list(range(121, 1, -1))


def test_contested_identifiers_are_counted_and_lead_to_their_users(
    login: Login, library: Library, system: LibrarySystem
) -> None:
    same = {"identifier:barcode": SECRET}
    users = [{"primary_id": f"u{n}", "last_name": f"<i>N{n}"} | same for n in range(2, 60)]
    system.load(users=[{} | same, *users], rules=RULES)
    for role in ROLES:
        page = login(role).get("/waiting").text
        assert "1 identifier is claimed by several users (59 claims)" in words(page), role
        assert "Özdemir" not in re.sub(r"(?s)<nav.*?</nav>", "", page)
        assert ("/contested-identifiers" in page) == (role != "viewer"), role
    assert login("viewer").get("/contested-identifiers").status_code == 403
    pages = list(follow(login("user"), "/contested-identifiers"))
    names = [name for page in pages for name in re.findall(r"&lt;i&gt;N(\d+)", page)]
    assert names == [str(n) for n in range(2, 60)]
    assert len(pages) > 1
    assert "<i>N" not in pages[0]
    assert "and more" in pages[0]
    assert library.one("SELECT count(DISTINCT user_id) FROM user_accesses") == len(users) + 1
    assert "%3C" not in "".join(re.findall(r'href="([^"]*)"', pages[0]))


def test_without_contested_identifiers_their_page_says_so(login: Login) -> None:
    assert "No identifier is claimed by several users." in login("admin").get("/contested-identifiers").text
    assert "Contested" not in login("admin").get("/waiting").text


def test_the_page_of_a_fine_has_what_its_source_said_and_what_loads_did(login: Login, system: LibrarySystem) -> None:
    system.load(users=[{"primary_id": "u2"}], rules=RULES)
    system.load(fines=[{"amount": "7.00", "balance": "7.00", "primary_id": "u2"}], rules=RULES)
    system.load(fines=[{"amount": "7.00", "balance": "2.00", "primary_id": "u2", "status": "accruing"}], rules=RULES)
    system.load(fines=[{"amount": "7.00", "balance": "3.00", "primary_id": "u2"}], rules=RULES)
    fine = system.fine("F1").id
    shown = words(login("user").get(f"/fines/{fine}").text)
    assert "Source LAW Id in library system F1" in shown
    assert "The source said last amount 7.00 EUR, balance 3.00 EUR, status" in shown
    assert "Owed at the library 3.00 EUR" in shown
    user = system.fine("F1").user_id
    assert f"accounts merged in the library system, to user {user}, load 3" in shown
    for words_of_entry in ("amount changed", "moved to another user", "open again", "paid at the library"):
        assert words_of_entry in shown
    assert "another amount in the library system, load 3" in shown


def test_an_entry_that_a_load_reversed_names_the_load(login: Login, system: LibrarySystem) -> None:
    credit = {"fine_id": "C1", "fine_fee_type": "CREDIT", "amount": "-5.00", "reverses": "F1"}
    system.load(fines=[{"balance": "0"}, credit | {"balance": "0"}], rules=RULES)
    shown = words(login("user").get(f"/fines/{system.fine('F1').id}").text)
    assert "reversed in the library system, load 2" in shown
    assert "batch None" not in shown
