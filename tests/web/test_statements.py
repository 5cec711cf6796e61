"""The reconciliation: the list of statements, and a statement with its differences first, also as CSV."""

import csv
from io import StringIO

import pytest
from fastapi.testclient import TestClient

from bursar.reporting.run_report import record_report
from bursar.reporting.statement_report import build_statement_report
from tests.support.fake_bursar import FakeBursar
from tests.support.fixtures import NOW, Library
from tests.support.managed_profiles import save_profile
from tests.support.statement_inbox import OF_USERS, StatementInbox
from tests.web.conftest import ROLES, Login
from tests.web.test_fines import words

pytestmark = pytest.mark.usefixtures("profiles_folder")
SECTION = {
    "active": "yes",
    "layout": "office",
    "input_file_path": "statements",
    "schedule": "weekly on Monday at 06:00",
}


@pytest.fixture
def compared(statements: StatementInbox, office: FakeBursar) -> StatementInbox:
    """A profile STUDENTS with a statement: one fine agrees, one differs, one is unknown here."""
    save_profile(statements.library.ledger, "STUDENTS", statement=SECTION)
    ids = [office.export_fine("10.00")[1] for _ in range(2)]
    statements.age()
    statements.compare(f"{ids[0]},10.00,USD", f"{ids[1]},12.00,USD", "=1+1,4.00,USD")
    return statements


def count_accesses(library: Library) -> int:
    return int(library.one("SELECT count(*) FROM user_accesses"))


def test_the_list_has_each_statement_with_its_differences_and_sums(compared: StatementInbox, login: Login) -> None:
    page = words(login("viewer").get("/statements").text)
    assert "open.csv Students Library" in page
    assert "differs 2 of 3 26.00 USD 20.00 USD" in page
    assert "No statement has been compared yet." in login("viewer").get("/statements?profile=STAFF").text
    assert compared.library.one("SELECT count(*) FROM statements") == 1


def test_a_statement_shows_its_differences_first_and_any_outcome_by_the_filter(
    compared: StatementInbox, login: Login
) -> None:
    client = login("user")
    shown = words(client.get("/statements/1").text)
    assert "another sum there than here 1 12.00 USD 10.00 USD 2.00 USD" in shown
    assert "2 differences to clarify with the bursar." in shown
    assert "another sum there than here 2 2 00000002 12.00 USD 10.00 USD 2.00 USD 3" in shown
    assert "no exported fine has this id =1+1 4.00 USD 4.00 USD 4" in shown
    assert "1 1 00000001 10.00 USD" not in shown
    assert count_accesses(compared.library) == 1
    agreeing = words(client.get("/statements/1?outcome=AGREES").text)
    assert "the same sum there and here 1 1 00000001 10.00 USD 10.00 USD 2" in agreeing
    assert "Nothing has this outcome." in client.get("/statements/1?outcome=PENDING").text
    assert client.get("/statements/1?outcome=nonsense").status_code == 200
    assert client.get("/statements/7").status_code == 404


def test_results_are_paged(compared: StatementInbox, login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bursar.web.pages.statements.PAGE_LENGTH", 1)
    client, seen = login("user"), []
    address = "/statements/1?outcome=ALL"
    while address:
        page = client.get(address).text
        seen.append([line for line in ("AGREES", "=1+1", "12.00") if line in words(page.partition("<tbody>")[2])])
        address = page.partition('class="pager"><a href="/bursar')[2].partition('"')[0].replace("&amp;", "&")
    assert len(seen) == 3
    assert compared.library.one("SELECT count(*) FROM statement_results") == 3


def test_the_csv_is_safe_in_a_spreadsheet_and_its_accesses_are_recorded(compared: StatementInbox, login: Login) -> None:
    answer = login("user").get("/statements/1/results.csv")
    rows = list(csv.DictReader(StringIO(answer.text.lstrip("\ufeff"))))
    assert [(row["outcome"], row["transaction_id"], row["theirs"]) for row in rows] == [
        ("DIFFERS", "2", "12.00"),
        ("UNKNOWN_HERE", "'=1+1", "4.00"),
    ]
    assert count_accesses(compared.library) == 1


def test_those_who_may_not_see_names_see_counts_and_sums_only(compared: StatementInbox, login: Login) -> None:
    page = login("viewer").get("/statements/1").text
    assert "you need the right to trigger the DAGs of this profile" in page
    assert "00000002" not in page
    assert login("viewer").get("/statements/1/results.csv").status_code == 403
    assert count_accesses(compared.library) == 0


@pytest.mark.parametrize("role", [None, *ROLES])
def test_each_page_needs_a_login(compared: StatementInbox, login: Login, role: str | None) -> None:
    for address in ("/statements", "/statements/1"):
        assert login(role).get(address).status_code == (200 if role else 401)
    assert compared


def test_a_rejected_statement_says_why(compared: StatementInbox, login: Login) -> None:
    (compared.disk / "open.csv").write_bytes(b"%PDF")
    with compared.run("run 2") as run, pytest.raises(Exception, match="PDF"):
        run.compare_file("open.csv")
    page = words(login("user").get("/statements/2").text)
    assert "the file is a PDF document" in page
    assert "The file was rejected: nothing has been compared." in page


def test_totals_of_users_have_no_fines(statements: StatementInbox, office: FakeBursar, login: Login) -> None:
    save_profile(statements.library.ledger, "STUDENTS", statement=SECTION)
    statements.write_layout(OF_USERS)
    statements.library.fine(statements.library.user("0001"), "10.00")
    office.export()
    statements.age()
    statements.compare("0001,11.00,USD")
    page = words(login("user").get("/statements/1").text)
    assert "Users" in page
    assert "another sum there than here 0001 11.00 USD 10.00 USD 1.00 USD 2" in page


def test_the_report_of_the_run_and_the_profile_lead_to_the_statement(compared: StatementInbox, login: Login) -> None:
    ledger = compared.library.ledger
    record_report(ledger, build_statement_report(ledger, "STUDENTS", run_id="run 1", started_at=NOW, failed=()))
    client = login("user")
    report = client.get("/dags/bursar_statement__STUDENTS/runs/run 1").text
    assert 'href="/bursar/statements/1"' in report
    assert "Compared" in report
    assert "3 fines of 2 users compared, 2 differences" in words(report)
    assert_links(client)


def assert_links(client: TestClient) -> None:
    profile = client.get("/profiles/STUDENTS").text
    assert "/bursar/statements?profile=STUDENTS" in profile
    assert "A difference is pending" in profile
    actions = client.get("/profiles/STUDENTS/actions").text
    assert "The statements that are ready are compared" in actions
    assert "3 fines of 2 users compared" in words(client.get("/").text)
    assert "open.csv" in client.get("/history?job=statement").text
