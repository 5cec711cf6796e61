"""The pages as people see them: in both themes and at two widths, with few and many rows, and in Airflow's frame."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine, text

from bursar.ledger.jobs import Job
from bursar.reporting.run_report import RunOutcome, RunReport, record_report
from demo.library import Library
from tests.browser.conftest import OpenScreen, Screen, add_debtor

pytestmark = pytest.mark.browser

RIGHT_TO_LEFT = "בן־ציון־אלגאזי־מזרחי"
LONG = "Wolfeschlegelsteinhausenbergerdorffvoralternwarengewissenhaftschaferswesen"
LISTS = ("", "overview", "history", "fines", "waiting", "jobs")


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


def overflows(shown: Screen) -> int:
    """Returns by how many pixels a page is wider than its window; wide tables scroll on their own."""
    width: int = shown.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return width


def check(shown: Screen, path: str, *, wide: bool) -> None:
    shown.open_alone(path)
    shown.page.locator("h1").wait_for()
    assert overflows(shown) <= 0, path
    if wide:  # the narrow page has the same elements and colours
        assert shown.find_faults() == [], path
    assert shown.errors == [], path


@pytest.mark.parametrize(("width", "dark"), [(1440, False), (800, True)], ids=["wide light", "narrow dark"])
def test_pages_without_rows_with_one_and_with_many(
    screen: OpenScreen, engine: Engine, person: int, *, width: int, dark: bool
) -> None:
    shown, wide = screen(width=width, dark=dark), width > 1000
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM run_reports"))
        fine = connection.execute(text("SELECT max(id) FROM fines WHERE user_id = :id"), {"id": person}).scalar_one()
    check(shown, "history", wide=wide)
    [run] = add_runs(engine, 1)
    check(shown, "history", wide=wide)
    add_runs(engine, 120)
    user, profile = f"users/{person}", "profiles/STUDENTS"
    for path in (*LISTS, f"runs/{run}", user, f"fines/{fine}", profile, f"{profile}/actions", "wizard"):
        check(shown, path, wide=wide)
    assert shown.page.evaluate("document.documentElement.dataset.theme") == ("dark" if dark else "light")


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
    page.wait_for_function("Chart.getChart(document.querySelector('[data-chart-of=ages-EUR] canvas'))")
    drawn = page.evaluate(
        "Chart.getChart(document.querySelector('[data-chart-of=ages-EUR] canvas')).data.datasets[0].data"
    )
    assert drawn == [0, 1234.5, 0, 0, 0]
    assert shown.errors == []
