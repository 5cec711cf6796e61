"""The pages as people see them: in both themes and at two widths, with few and many rows, and in Airflow's frame."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine, text

from bursar.exports.selection import select_fines
from bursar.ledger.jobs import Job
from bursar.reporting.run_report import RunOutcome, RunReport, record_report
from bursar.web.views import PAGE_LENGTH
from demo.library import Library
from tests.browser.conftest import OpenScreen, Screen, add_debtor, press
from tests.support.fixtures import make_profile, make_settings

pytestmark = pytest.mark.browser

RIGHT_TO_LEFT = "בן־ציון־אלגאזי־מזרחי"
LONG = "Wolfeschlegelsteinhausenbergerdorffvoralternwarengewissenhaftschaferswesen"
LISTS = (
    *("", "overview", "layouts", "sources", "loads", "history", "statements", "fines", "waiting"),
    *("contested-identifiers", "jobs"),
)
WIDTHS = (1440, 800)
MEASURE_OVERFLOW = """async () => {
  const page = document.documentElement, overflow = () => page.scrollWidth - page.clientWidth;
  for (let frames = 0; overflow() > 0 && frames < 300; frames++) await new Promise(requestAnimationFrame);
  return overflow();
}"""
"""Returns by how many pixels a page is wider than its window. Charts are drawn anew after a change of the width."""
READ_CHART = """async (canvas) => {
  const find = () => Chart.getChart(document.querySelector(canvas));
  for (let frames = 0; !find() && frames < 3000; frames++) await new Promise(requestAnimationFrame);
  return find()?.data.datasets[0].data;
}"""
"""Returns the numbers that a chart shows, as soon as it is drawn."""


@pytest.fixture(scope="module")
def person(engine: Engine) -> int:
    """A user with a long first name, a right-to-left last name, and more fines than a page has; returns the id."""
    amounts = [str(Decimal("1234.50") + number) for number in range(60)]
    return add_debtor(engine, "OVERDUEFINE", *amounts, last=RIGHT_TO_LEFT, first=LONG)


def add_runs(engine: Engine, count: int) -> list[int]:
    for number in range(count):
        moment = datetime.now(UTC) - timedelta(hours=number)
        record_report(
            engine,
            RunReport(
                job=Job.EXPORT,
                profile="STUDENTS",
                run_id=f"{LONG}{count}-{number}",
                started_at=moment,
                ended_at=moment + timedelta(seconds=42),
                outcome=list(RunOutcome)[number % 4],
                files=(f"{LONG}.xml",),
                messages=(f"A message with {LONG}.",),
            ),
        )
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT id FROM run_reports ORDER BY id DESC")).scalars())


def add_rejected_files(engine: Engine, count: int) -> None:
    insert = text(
        "INSERT INTO import_files (profile, run_id, name, size, modified, sha256, amount_mode, rejection, rejected_at)"
        " SELECT 'STUDENTS', 'long', :name || n || '.xml', 1, now(), 'long' || n, 'incremental', :why, now()"
        " FROM generate_series(1, :count) AS n"
    )
    with engine.begin() as connection:
        connection.execute(
            insert, {"count": count, "name": RIGHT_TO_LEFT + LONG, "why": f"The sum of {LONG} is wrong."}
        )


def add_batch(engine: Engine) -> int:
    add_debtor(engine, "LONGFEE", *["1234.50"] * 60, last=RIGHT_TO_LEFT, first=LONG)
    profile = make_profile(fine_fee_types=["LONGFEE"], user_identifier_type="userName", institutional_fine_fee=True)
    return select_fines(engine, profile, make_settings(), run_id=f"{LONG}-batch", as_of=datetime.now(UTC)).id


def search(shown: Screen, wanted: str) -> None:
    page = shown.open_alone("fines")
    page.get_by_role("searchbox").fill(wanted)
    press(page, "Search")
    page.locator(f'input[type=search][value="{wanted}"]').wait_for()


def find_faults(shown: Screen) -> list[str]:
    """Returns what is wrong with the page that is shown, wide and narrow, light and dark."""
    shown.page.locator("h1").wait_for()
    shown.page.locator("[hx-trigger=load][hx-swap=outerHTML]").first.wait_for(state="detached")
    found = list(shown.errors)
    for width in WIDTHS:
        shown.page.set_viewport_size({"width": width, "height": 1000})
        overflow = shown.page.evaluate(MEASURE_OVERFLOW)  # wide tables scroll on their own
        if overflow > 0:
            found.append(f"{width}: the page is {overflow} pixels wider than its window")
        found += [f"{width}: {fault}" for fault in shown.find_faults()]
    return found


def find_faults_of(shown: Screen, *paths: str) -> dict[str, list[str]]:
    """Returns what is wrong with pages, by their paths; pages without faults are left out."""
    faults = {}
    for path in paths:
        shown.open_alone(path)
        faults[path] = find_faults(shown)
    return {path: found for path, found in faults.items() if found}


def test_pages_without_rows(screen: OpenScreen, engine: Engine) -> None:
    nobody, shown = add_debtor(engine, "NOFEE", last=RIGHT_TO_LEFT, first=LONG), screen()
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM run_reports"))
        connection.execute(text("DELETE FROM outstanding_by_week"))
    paths = ("history", "overview", "profiles/STUDENTS", "jobs?below=1", f"users/{nobody}")
    assert find_faults_of(shown, *paths, f"waiting?only=batches&after={2**62}") == {}
    search(shown, "nothing has this name")
    shown.page.get_by_text("Nothing was found").wait_for()
    assert find_faults(shown) == []


def test_pages_with_one_row_and_with_many(screen: OpenScreen, engine: Engine, person: int) -> None:
    shown = screen()
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM run_reports"))
        fine = connection.execute(text("SELECT max(id) FROM fines WHERE user_id = :id"), {"id": person}).scalar_one()
    [run] = add_runs(engine, 1)
    assert find_faults_of(shown, "history", f"runs/{run}") == {}
    add_runs(engine, 120)
    add_rejected_files(engine, 60)
    profile = "profiles/STUDENTS"
    actions = (profile, f"{profile}/actions", f"{profile}/preview", "wizard")
    assert find_faults_of(shown, *LISTS, f"users/{person}", f"fines/{fine}", *actions) == {}
    assert find_faults_of(shown, f"batches/{add_batch(engine)}") == {}


def test_a_search_that_finds_many_users(screen: OpenScreen, engine: Engine) -> None:
    add = (
        "INSERT INTO users (last_name, first_name, user_group)"
        " SELECT :last, :first, 'STAFF' FROM generate_series(1, 60)"
    )
    with engine.begin() as connection:
        connection.execute(
            text(add), {"last": f"\N{LATIN CAPITAL LETTER O WITH DIAERESIS}{RIGHT_TO_LEFT}", "first": LONG}
        )
    shown = screen()
    search(shown, "\N{LATIN SMALL LETTER O WITH DIAERESIS}")
    assert shown.page.get_by_role("region", name="Users").get_by_role("link").count() == PAGE_LENGTH
    assert find_faults(shown) == []
    press(shown.page, "More users")
    shown.page.get_by_role("button", name="More users").wait_for(state="detached")
    assert shown.page.get_by_role("region", name="Users").get_by_role("link").count() == 60 - PAGE_LENGTH
    assert find_faults(shown) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_page_alone_has_the_theme_of_the_system(screen: OpenScreen, *, dark: bool) -> None:
    page = screen(dark=dark).open_alone("history")
    assert page.evaluate("document.documentElement.dataset.theme") == ("dark" if dark else "light")


def test_the_pages_are_in_the_navigation_of_airflow(screen: OpenScreen) -> None:
    shown = screen()
    shown.page.goto(shown.address)
    shown.page.get_by_role("link", name="Bursar").first.click()
    frame = shown.frame()
    assert frame.locator("h1").text_content() == "Integration profiles"
    frame.get_by_role("link", name="Job history").click()
    frame.locator("h1", has_text="Job history").wait_for()


def test_a_deep_link_opens_its_page(screen: OpenScreen, engine: Engine) -> None:
    run, *_ = add_runs(engine, 1)
    frame = screen().open(f"runs/{run}")
    assert frame.locator(".message").text_content().strip() == f"A message with {LONG}."


def test_an_expired_login_leads_to_the_login_and_back(screen: OpenScreen, library: Library) -> None:
    shown = screen()
    shown.open("history")
    shown.page.context.clear_cookies()
    frame = shown.frame()
    frame.get_by_role("link", name="Profiles").click()
    frame.locator("h1", has_text="Please log in").wait_for()
    frame.get_by_role("link", name="Log in").click()
    shown.page.wait_for_url(re.compile("/auth/login"))
    shown.page.fill("input[name=username]", "viewer")
    shown.page.fill("input[name=password]", library.airflow.password)
    shown.page.click("button[type=submit]")
    assert shown.frame().locator("h1").text_content() in ("Job history", "Integration profiles")


def test_a_viewer_has_no_link_to_persons(screen: OpenScreen, person: int) -> None:
    shown = screen("viewer")
    page = shown.open_alone(f"users/{person}")
    assert "not allowed" in page.locator("h1").text_content()
    assert LONG not in page.content()


def test_the_charts_of_the_overview_are_drawn(screen: OpenScreen, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM outstanding_by_week"))
        connection.execute(
            text("INSERT INTO outstanding_by_week VALUES (date_trunc('week', now()), now(), CAST(:sums AS jsonb))"),
            {"sums": '[{"profile": "STUDENTS", "currency": "EUR", "days": 30, "fines": 3, "amount": "1234.50"}]'},
        )
    shown = screen()
    page = shown.open_alone("overview")
    drawn = page.evaluate(READ_CHART, "[data-chart-of=ages-EUR] canvas")
    assert drawn == [0, 1234.5, 0, 0, 0]
    assert shown.errors == []
