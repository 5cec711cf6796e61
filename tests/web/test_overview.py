"""The overview: sums by week, the age of what is outstanding, what stays and why, and the next runs."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from lxml import html
from sqlalchemy import Engine, text

from bursar.exports.close import close_fines
from bursar.exports.selection import select_fines
from bursar.ledger import desk
from bursar.ledger.jobs import Job
from bursar.ledger.totals import Skipped
from bursar.reporting.outstanding import count_outstanding
from bursar.reporting.run_report import RunOutcome, RunReport, record_report
from bursar.web import sources
from bursar.web.pages import overview, profiles
from bursar.web.rights import Person
from bursar.web.views import settings
from tests.sources.conftest import GOOD_SOURCE
from tests.support.fixtures import NOW, Library, make_profile, make_settings, record_delivery
from tests.web.conftest import ROLES, Login

STUDENTS, STAFF = make_profile(), make_profile(code="STAFF")


@pytest.fixture(autouse=True)
def two_profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "load_all_profiles", lambda *_args, **_options: ([STUDENTS, STAFF], []))


def export(ledger: Engine, run_id: str, **profile: Any) -> int:
    batch = select_fines(ledger, make_profile(**profile), make_settings(), run_id=run_id, as_of=NOW)
    record_delivery(ledger, batch.id)
    close_fines(ledger, batch.id)
    return batch.id


def add_payments(owned: Engine, profile: str, applied: dict[str, str], days_ago: int = 0) -> None:
    outcomes = {"PAID": {"records": 1, "sums": applied, "applied": applied}, "UNMATCHED": {"records": 1, "sums": {}}}
    with owned.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO import_files (profile, run_id, name, size, modified, sha256, amount_mode, outcomes,"
                " read_at, applied_at) VALUES (:profile, 'run', 'x', 1, now(), gen_random_uuid(), 'incremental',"
                " CAST(:outcomes AS jsonb), now(), now() - :days * interval '1 day')"
            ),
            {"profile": profile, "outcomes": json.dumps(outcomes), "days": days_ago},
        )


def parse(page: str) -> Any:
    """Returns a page as a tree."""
    return html.fromstring(page)


def read_table(page: str, id_: str) -> dict[str, list[str]]:
    """Returns the cells of the rows of a table by the first cell."""
    [table] = parse(page).xpath(f"//table[@id='{id_}']/tbody")
    rows = [[cell.text_content() for cell in row.xpath("./*")] for row in table.xpath("./tr")]
    return {row[0]: row[1:] for row in rows}


def get_monday(weeks_ago: int = 0) -> str:
    today = datetime.now(ZoneInfo(settings().time_zone)).date()
    return str(today - timedelta(days=today.weekday() + 7 * weeks_ago))


@pytest.mark.parametrize("role", ROLES)
def test_an_empty_ledger_has_an_overview(login: Login, role: str) -> None:
    answer = login(role).get("/overview")
    assert answer.status_code == 200, answer.text
    assert "not been counted yet" in answer.text
    assert "No profile has exported yet" in answer.text


def test_the_sums_of_a_week_are_those_of_the_ledger(
    login: Login, library: Library, ledger: Engine, owned_ledger: Engine
) -> None:
    library.fine(amount="1200.50")
    library.fine(amount="-0.50")
    library.fine(amount="800", currency="JPY")
    export(ledger, "run")
    add_payments(owned_ledger, "STUDENTS", {"USD": "100.25"})
    add_payments(owned_ledger, "STAFF", {"USD": "7"}, days_ago=21)
    add_payments(owned_ledger, "STAFF", {"USD": "1000000"}, days_ago=400)
    count_outstanding(ledger, settings().time_zone)
    page = login("viewer").get("/overview").text
    weeks = read_table(page, "weeks-USD")
    assert len(weeks) == overview.WEEKS
    assert list(weeks)[-1] == get_monday()
    assert weeks[get_monday()] == ["1,200.00", "100.25", "1,200.00"]
    assert weeks[get_monday(3)] == ["0.00", "7.00", "not counted"]
    assert read_table(page, "weeks-JPY")[get_monday()] == ["800", "0", "800"]
    assert read_table(page, "ages-USD") == {
        "less than 30 days": ["1,200.00", "2"],
        "30 to 89 days": ["0.00", "0"],
        "90 to 179 days": ["0.00", "0"],
        "180 to 364 days": ["0.00", "0"],
        "365 days or more": ["0.00", "0"],
    }


def test_a_sum_below_0_is_explained(login: Login, library: Library, ledger: Engine) -> None:
    library.fine(amount="10")
    export(ledger, "run")
    count_outstanding(ledger, settings().time_zone)
    assert "more credits than charges" not in login("viewer").get("/overview").text
    library.fine(amount="-800", currency="CAD")
    export(ledger, "run 2")
    count_outstanding(ledger, settings().time_zone)
    page = login("viewer").get("/overview").text
    assert read_table(page, "weeks-CAD")[get_monday()] == ["-800.00", "0.00", "-800.00"]
    assert page.count("A sum below 0 means more credits than charges") == 1


def test_an_export_to_a_bursar_without_an_import_counts_as_paid(login: Login, library: Library, ledger: Engine) -> None:
    library.fine(amount="10")
    export(ledger, "run", import_active=False)
    count_outstanding(ledger, settings().time_zone)
    assert read_table(login("viewer").get("/overview").text, "weeks-USD")[get_monday()] == ["10.00", "10.00", "0.00"]


@pytest.mark.parametrize("import_active", [True, False])
def test_a_credit_that_another_profile_sends_counts_for_the_profile_of_its_charge(
    login: Login, library: Library, ledger: Engine, monkeypatch: pytest.MonkeyPatch, *, import_active: bool
) -> None:
    """Profiles that send credits often do not import, and the bursar of the charges has been paid nothing."""
    charge = library.fine(amount="100")
    export(ledger, "run", import_active=import_active, credits_profile="STAFF")
    with ledger.begin() as connection:
        desk.reverse_charge(connection, charge, Decimal(30))
    credits_ = make_profile(code="STAFF", import_active=not import_active).with_credits_of((STUDENTS.code,))
    batch = select_fines(ledger, credits_, make_settings(), run_id="credits", as_of=datetime.now(UTC))
    record_delivery(ledger, batch.id)
    close_fines(ledger, batch.id)
    count_outstanding(ledger, settings().time_zone)
    expected = ["70.00", "0.00", "70.00"] if import_active else ["70.00", "70.00", "0.00"]
    assert read_table(login("viewer").get("/overview").text, "weeks-USD")[get_monday()] == expected
    monkeypatch.setattr(Person, "may_see", lambda _self, code: code == "STUDENTS")
    assert read_table(login("viewer").get("/overview").text, "weeks-USD")[get_monday()] == expected


def test_a_week_in_which_all_was_paid_is_not_taken_for_one_that_was_not_counted(
    login: Login, owned_ledger: Engine, ledger: Engine
) -> None:
    sums = [{"profile": "STUDENTS", "currency": "USD", "days": 30, "fines": 2, "amount": "55.00"}]
    with owned_ledger.begin() as connection:
        connection.execute(
            text("INSERT INTO outstanding_by_week VALUES (:week, now() - interval '7 days', CAST(:sums AS jsonb))"),
            {"week": get_monday(1), "sums": json.dumps(sums)},
        )
    count_outstanding(ledger, settings().time_zone)
    page = login("viewer").get("/overview").text
    weeks = read_table(page, "weeks-USD")
    assert weeks[get_monday(1)][2] == "55.00"
    assert weeks[get_monday()][2] == "0.00"
    assert read_table(page, "ages-USD")["30 to 89 days"] == ["0.00", "0"]


def test_a_person_sees_only_the_sums_of_profiles_that_the_person_may_see(
    login: Login, library: Library, ledger: Engine, owned_ledger: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.fine(amount="10")
    export(ledger, "run")
    library.fine(amount="500")
    export(ledger, "run", code="STAFF")
    add_payments(owned_ledger, "REMOVED", {"USD": "3"})
    count_outstanding(ledger, settings().time_zone)
    viewer, user = login("viewer"), login("user")
    everything = read_table(user.get("/overview").text, "weeks-USD")
    assert everything[get_monday()] == ["510.00", "3.00", "510.00"]
    monkeypatch.setattr(Person, "may_see", lambda _self, code: code == "STUDENTS")
    page = viewer.get("/overview").text
    assert read_table(page, "weeks-USD")[get_monday()] == ["10.00", "0.00", "10.00"]
    assert read_table(page, "ages-USD")["less than 30 days"] == ["10.00", "1"]
    assert "Staff" not in page


def test_fines_that_stay_are_shown_with_their_reasons_and_the_report(login: Login, ledger: Engine) -> None:
    def report(run_id: str, *, dry_run: bool = False, hours: int, **skipped: Skipped) -> RunReport:
        started = datetime.now(UTC) - timedelta(hours=hours)
        return record_report(
            ledger,
            RunReport(
                job=Job.EXPORT,
                profile="STUDENTS",
                run_id=run_id,
                dry_run=dry_run,
                started_at=started,
                ended_at=started,
                outcome=RunOutcome.WITH_WARNINGS,
                skipped=skipped,
            ),
        )

    report("old", hours=30, NO_IDENTIFIER=Skipped(9, 9))
    report("new", hours=5, NO_IDENTIFIER=Skipped(1234, 5, {"USD": Decimal("77.5")}))
    report("dry", dry_run=True, hours=1, NO_IDENTIFIER=Skipped(3, 3))
    page = parse(login("viewer").get("/overview").text)
    [table] = page.xpath("//table[caption/a[contains(@href, '/runs/')]]")
    assert [cell.text_content() for cell in table.xpath("./tbody/tr/td")][1:] == ["1,234", "5", "77.50 USD"]


def test_the_next_runs_are_listed_with_the_earliest_first(
    login: Login, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "law.yaml").write_text(GOOD_SOURCE)
    monkeypatch.setattr(sources, "INCLUDE", tmp_path)
    moments = {
        "bursar_sync__LAW": datetime(2031, 3, 3, 12, tzinfo=UTC),
        "bursar_export__STUDENTS": datetime(2031, 3, 2, 12, tzinfo=UTC),
        "bursar_import__STAFF": datetime(2031, 3, 1, 12, tzinfo=UTC),
    }
    asked: list[str] = []

    def list_next_runs(ids: list[str]) -> dict[str, datetime]:
        asked.extend(ids)
        return {id_: moments[id_] for id_ in ids if id_ in moments}

    monkeypatch.setattr(overview, "list_next_runs", list_next_runs)
    page = parse(login("viewer").get("/overview").text)
    rows = [row.text_content() for row in page.xpath("//tbody/tr") if "2031" in row.text_content()]
    assert len(asked) == 5
    assert [row[:10] for row in rows] == ["2031-03-01", "2031-03-02", "2031-03-03"]
    assert "sync" in rows[2]
    assert page.xpath("//a[@href='/bursar/sources/LAW']/text()") == ["Law Library"]


def test_the_charts_come_from_the_package_and_have_words_for_screen_readers(
    login: Login, library: Library, ledger: Engine
) -> None:
    library.fine()
    export(ledger, "run")
    client = login("viewer")
    page = parse(client.get("/overview").text)
    assert all(canvas.get("aria-label") for canvas in page.xpath("//canvas"))
    assert len(page.xpath("//canvas")) == 2
    scripts = [script.get("src") for script in page.xpath("//script")]
    assert all(script.startswith("/bursar/static/") for script in scripts)
    for script in scripts:
        assert client.get(script.removeprefix("/bursar")).status_code == 200
