"""A library with Airflow, and Debian's Chromium, for the tests of the pages as people see them."""

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Engine, text

from bursar.db.engine import ledger_engine
from bursar.ledger import desk
from demo.airflow import APPROVER, USER
from demo.library import SUB_DIRECTORY, Library, embedded_library
from demo.profiles import SYSTEMS, add_source, write_include

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
AXE = Path(__file__).parents[2] / ".local" / "browser" / "axe.min.js"
PERSONS = {"admin": USER, "user": APPROVER, "op": "operator", "viewer": "viewer"}
"""The user of each role."""
TIMEOUT_MS = 120_000  # busy machines are slow
RUN_TIMEOUT_MS = 600_000  # a run takes 15 seconds on a calm machine
DAG_TIMEOUT_SECONDS = 600
SERIOUS = ("serious", "critical")
THEMES = ("light", "dark")
RUN_AXE = """async (themes) => {
  const page = document.documentElement.dataset, shown = page.theme, found = [];
  for (const theme of themes) {
    page.theme = theme;
    found.push([theme, (await axe.run({ resultTypes: ["violations"] })).violations]);
  }
  page.theme = shown;
  return found;
}"""


@pytest.fixture(scope="session")
def library() -> Iterator[Library]:
    """A real PostgreSQL with a filled ledger, the bursars' SFTP server, and a real Airflow."""
    with (
        TemporaryDirectory(prefix="bursar-browser-") as folder,
        pytest.MonkeyPatch.context() as environment,
    ):
        include = write_include(Path(folder) / "include")
        add_source(include)
        folio = (SYSTEMS / "folio.yaml").read_text(encoding="utf-8")
        (include / "sources" / "law.yaml").write_text(folio.replace("code: FOLIO", "code: LAW"), encoding="utf-8")
        environment.setenv("BURSAR_INCLUDE", str(include))
        with embedded_library(Path(folder), fines=300, say=lambda _: None) as library:
            yield library


@pytest.fixture(scope="session")
def engine(library: Library) -> Iterator[Engine]:
    """The library's ledger."""
    engine = ledger_engine(library.ledger_url)
    yield engine
    engine.dispose()


def add_debtor(engine: Engine, fine_fee_type: str, *amounts: str, last: str = "Kowalczyk", first: str = "Ada") -> int:
    """Adds a user with fines of the institution in USD, the first of today, each a day older; returns the user's id.

    The primary id is the type of the fines, so only a profile that exports primary ids takes them.
    """
    with engine.begin() as connection:
        user: int = connection.execute(
            text(
                "INSERT INTO users (last_name, first_name, user_group)"
                " VALUES (:last, :first, 'UNDERGRADUATE') RETURNING id"
            ),
            {"last": last, "first": first},
        ).scalar_one()
        identifier = {"user": user, "identifier": fine_fee_type.lower()}
        connection.execute(text("INSERT INTO identifiers VALUES (:user, 'userName', :identifier)"), identifier)
        for days, amount in enumerate(amounts):
            desk.add_fine(
                connection,
                user_id=user,
                fine_fee_type=fine_fee_type,
                amount=Decimal(amount),
                currency="USD",
                created_at=datetime.now(UTC) - timedelta(days=days),
                comment=first,
            )
    return user


@pytest.fixture(scope="session")
def chromium() -> Iterator["Browser"]:
    """The browser; tests are skipped if it is missing, and say what to install."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="needs Playwright; make test-browser installs it into .venv"
    )
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("needs Chromium or Google Chrome; on Debian: apt install chromium")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@dataclass
class Screen:
    """A logged-in browser window on Airflow. `errors` are messages of the console: blocked or broken scripts."""

    page: "Page"
    address: str
    errors: list[str] = field(default_factory=list)

    def open(self, path: str) -> Any:
        """Opens a page of Bursar, by its path below /bursar, inside Airflow; returns its frame."""
        self.page.goto(f"{self.address}/plugin/bursar/bursar/{path}")
        return self.frame()

    def frame(self) -> Any:
        """Waits until a page of Bursar is shown in Airflow, and returns its frame."""
        self.page.frame_locator("iframe").locator("h1").wait_for()
        return next(one for one in self.page.frames if "/bursar/" in one.url and "/plugin/" not in one.url)

    def open_alone(self, path: str) -> Any:
        """Opens a page of Bursar without Airflow around it, which takes a tenth of the time; returns it."""
        self.page.goto(f"{self.address}/bursar/{path}")
        return self.page

    def find_faults(self) -> list[str]:
        """Returns the serious faults of accessibility that axe-core finds on the page, shown alone, in both themes."""
        if not AXE.exists():
            pytest.skip("needs axe-core; make test-browser fetches it with npm")
        # The page's own policy would block a script element.
        if self.page.evaluate("typeof axe") == "undefined":
            self.page.evaluate(AXE.read_text(encoding="utf-8") + "; undefined")
        return [
            f"{theme}: {one['id']}: {one['help']}: {one['nodes'][0]['html']}"
            for theme, violations in self.page.evaluate(RUN_AXE, THEMES)
            for one in violations
            if one["impact"] in SERIOUS
        ]


def fill_in(page: Any, fields: dict[str, str]) -> None:
    """Types into the fields of a form, or chooses, by their names."""
    for name, value in fields.items():
        one = page.locator(f'[id="field-{name}"]')
        if one.evaluate("one => one.tagName") == "SELECT":
            one.select_option(value)
        else:
            one.fill(value)


def press(page: Any, button: str) -> None:
    """Presses the only button with a label."""
    page.get_by_role("button", name=button, exact=True).click()


def follow(page: Any, link: str, *, timeout: float = TIMEOUT_MS) -> None:
    """Follows the only link with a text, as soon as it is there."""
    page.get_by_role("link", name=link, exact=True).click(timeout=timeout)


def read_report(page: Any) -> tuple[str, str]:
    """Waits on the page of a run's progress until the run has ended; returns outcome and fines of its job report."""
    follow(page, "Job report", timeout=RUN_TIMEOUT_MS)
    summary = page.locator("p:has(.outcome)").text_content()
    fines = re.search(r"[\d,]+ fines?", summary)
    return page.locator(".outcome").text_content().strip(), fines[0] if fines else ""


def list_files(library: Library, folder: str) -> list[Path]:
    """Returns the exported files in a folder of the bursar with Banner."""
    return sorted((library.folders["banner"] / SUB_DIRECTORY / folder).glob("*.xml"))


OpenScreen = Callable[..., Screen]


@pytest.fixture
def screen(chromium: "Browser", library: Library) -> Iterator[OpenScreen]:
    """Returns a function that opens a browser window of a person with a role."""
    contexts = []

    def open_screen(role: str = "admin", *, dark: bool = False) -> Screen:
        airflow = library.airflow
        context = chromium.new_context(
            viewport={"width": 1440, "height": 1000}, color_scheme="dark" if dark else "light"
        )
        context.set_default_timeout(TIMEOUT_MS)
        contexts.append(context)
        person = {"username": PERSONS[role], "password": airflow.password}
        answer = context.request.post(f"{airflow.address}/auth/token", data=person, timeout=TIMEOUT_MS)
        token = answer.json()["access_token"]
        context.add_cookies([{"name": "_token", "value": token, "url": airflow.address}])
        opened = Screen(context.new_page(), airflow.address)
        opened.page.on("console", lambda one: opened.errors.append(one.text) if one.type == "error" else None)
        opened.page.on("pageerror", lambda error: opened.errors.append(str(error)))
        return opened

    yield open_screen
    for context in contexts:
        context.close()
