"""`make screenshots`: takes the pictures of the pages in docs/pictures, of an invented library with its history."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text

from bursar.db.engine import ledger_engine
from bursar.errors import BursarError
from demo.airflow import APPROVER, USER
from demo.history import LIMITED, make_history
from demo.library import Library, embedded_library
from demo.office import create_input_folders
from demo.profiles import limit_exports, write_demo_include
from demo.small_png import reduce_colours
from demo.systems import KOHA

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PROJECT = Path(__file__).resolve().parents[1]
STATE = PROJECT / ".local" / "screenshots"
PICTURES = PROJECT / "docs" / "pictures"
PREVIEWED = "CREDITS"  # the overpayments of the history have become credits, which it exports next
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH, MAX_HEIGHT = 1440, 1040
TIMEOUT_MS = 60_000
_IDS: Mapping[str, str] = {
    "export": "SELECT max(id) FROM run_reports WHERE job = 'export' AND profile = :profile",
    "approval": "SELECT max(id) FROM approvals WHERE answered_at IS NULL",
    "load": "SELECT max(id) FROM loads WHERE source = 'LIBRARY'",
    # A fine that was paid in parts, at the library and at the bursar, and a user with some fines of each kind.
    "fine": "SELECT fine_id FROM journal_entries GROUP BY fine_id HAVING bool_or(entry_type = 'PAID_AT_BURSAR')"
    " ORDER BY count(*) DESC, fine_id LIMIT 1",
    "user": "SELECT user_id FROM fines GROUP BY user_id HAVING count(*) BETWEEN 8 AND 12"
    " ORDER BY count(DISTINCT status) DESC, sum(outstanding) DESC, user_id LIMIT 1",
}
"""Statements that find what a picture shows."""
_WAIT_FOR_CHARTS = """async () => {
  const isDrawn = (canvas) =>
    canvas.width && canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean);
  const areDrawn = () => [...document.querySelectorAll("canvas")].every(isDrawn);
  for (let frames = 0; !areDrawn() && frames < 3000; frames++) await new Promise(requestAnimationFrame);
  return areDrawn();
}"""
"""Waits until no chart is blank, and returns whether that is so. A busy machine draws them some time after the load."""
say = partial(print, flush=True)


@dataclass(frozen=True)
class Picture:
    """A picture of a page: its name, the path of the page below /bursar, and who looks at it.

    `path` may name an id of `_IDS` in braces. `prepare` makes the page ready. A page `in_airflow` is shown with
    Airflow around it. `max_height` cuts off long lists.
    """

    name: str
    path: str
    user: str = USER
    prepare: Callable[["Page"], object] = lambda _: None
    in_airflow: bool = False
    max_height: int = MAX_HEIGHT


def main(state: Path = STATE, pictures: Path = PICTURES) -> int:
    """Runs the library, takes the pictures, and returns the exit status."""
    include = write_demo_include(state / "include")
    limit_exports(include)
    os.environ["BURSAR_INCLUDE"] = str(include)
    try:
        with (
            _open_browser() as browser,
            embedded_library(state, reads_systems=True, afresh=True, say=say) as library,
        ):
            create_input_folders(state / "bursars", include)
            make_history(library, include, say)
            _take_all(browser, library, pictures)
    except BursarError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


@contextmanager
def _open_browser() -> Iterator["Browser"]:
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415  a package of the tests
    except ImportError as error:
        raise BursarError("The pictures need Playwright: pip install playwright.") from error
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        raise BursarError("The pictures need Chromium or Google Chrome; on Debian: sudo apt install chromium")
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


def _take_all(browser: "Browser", library: Library, folder: Path) -> None:
    ids = _find_ids(library)
    folder.mkdir(parents=True, exist_ok=True)
    blank = browser.new_page()
    pages = {user: _log_in(browser, library, user) for user in {picture.user for picture in ALL}}
    for picture in ALL:
        say(f"Taking {picture.name}.png")
        page = pages[picture.user]
        path = picture.path.format(**ids)
        page.goto(f"{library.airflow.address}{'/plugin/bursar' if picture.in_airflow else ''}/bursar/{path}")
        content = page.frame_locator("iframe") if picture.in_airflow else page
        content.locator("h1").wait_for()
        picture.prepare(page)
        if not picture.in_airflow:  # Airflow's own page never stops asking
            page.wait_for_load_state("networkidle")
        box = content.locator("main").bounding_box()
        height = min(picture.max_height, int(box["y"] + box["height"]) if box else MAX_HEIGHT)
        clip = {"x": 0, "y": 0, "width": WIDTH, "height": height}
        if not page.evaluate(_WAIT_FOR_CHARTS):
            raise BursarError(f"A chart on the page of {picture.name}.png is blank.")
        png = page.screenshot(clip=clip)  # type: ignore[arg-type]
        (folder / f"{picture.name}.png").write_bytes(reduce_colours(blank, png))


def _find_ids(library: Library) -> dict[str, int]:
    engine = ledger_engine(library.ledger_url)
    try:
        with engine.connect() as connection:
            return {
                name: connection.execute(text(statement), {"profile": LIMITED}).scalar_one()
                for name, statement in _IDS.items()
            }
    finally:
        engine.dispose()


def _log_in(browser: "Browser", library: Library, user: str) -> "Page":
    viewport = {"width": WIDTH, "height": MAX_HEIGHT}
    page = browser.new_context(viewport=viewport, color_scheme="light").new_page()  # type: ignore[arg-type]
    page.set_default_timeout(TIMEOUT_MS)
    page.goto(f"{library.airflow.address}/auth/login")
    page.fill("input[name=username]", user)
    page.fill("input[name=password]", library.airflow.password)
    page.click("button[type=submit]")
    page.wait_for_url(lambda url: "/auth/login" not in url)
    return page


def _fill_wizard(page: "Page") -> None:
    """Fills the first page of the wizard, and goes on to the second."""
    page.fill("[name=code]", "LAW")
    page.fill("[name=name]", "Law School Accounts")
    page.click("button[value=next]")
    page.locator("text=Page 2 of 2").wait_for()


ALL = (
    Picture("profiles", "", in_airflow=True),
    Picture("wizard", f"wizard?copy={LIMITED}", prepare=_fill_wizard),
    Picture(
        "preview", f"profiles/{PREVIEWED}/preview", prepare=lambda page: page.locator("text=would take").wait_for()
    ),
    Picture("history", "history"),
    Picture("report", "runs/{export}"),
    Picture("load", "loads/{load}#rows"),
    Picture("waiting", "waiting", user=APPROVER),
    Picture("approval", "approvals/{approval}", user=APPROVER),
    Picture("outbox", f"sources/{KOHA}/outbox", max_height=640),
    Picture("layout", "layouts/peoplesoft"),
    Picture("overview", "overview"),
    Picture("fine", "fines/{fine}"),
    Picture("user", "users/{user}"),
)


if __name__ == "__main__":
    sys.exit(main())
