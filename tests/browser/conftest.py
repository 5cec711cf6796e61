"""A library with Airflow, and Debian's Chromium, for the tests of the pages as people see them."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

from demo.airflow import APPROVER, USER
from demo.library import Library, embedded_library
from demo.profiles import write_include

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
AXE = Path(__file__).parents[2] / ".local" / "browser" / "axe.min.js"
PERSONS = {"admin": USER, "user": APPROVER, "op": "operator", "viewer": "viewer"}
"""The user of each role."""
FRAME_TIMEOUT_MS = 30_000
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="session")
def library() -> Iterator[Library]:
    """A real PostgreSQL with a filled ledger, the bursars' SFTP server, and a real Airflow."""
    with (
        TemporaryDirectory(prefix="bursar-browser-") as folder,
        pytest.MonkeyPatch.context() as environment,
    ):
        environment.setenv("BURSAR_INCLUDE", str(write_include(Path(folder) / "include")))
        with embedded_library(Path(folder), fines=300, say=lambda _: None) as library:
            yield library


@pytest.fixture(scope="session")
def chromium() -> Iterator["Browser"]:
    """The browser; tests are skipped if it is missing, and say what to install."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="needs Playwright; make test-browser installs it into .venv"
    )
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("needs Chromium; on Debian and Ubuntu: apt install chromium")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
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
        self.page.wait_for_selector("iframe", timeout=FRAME_TIMEOUT_MS)
        self.page.frame_locator("iframe").locator("h1").wait_for(timeout=FRAME_TIMEOUT_MS)
        return next(one for one in self.page.frames if "/bursar/" in one.url and "/plugin/" not in one.url)

    def open_alone(self, path: str) -> Any:
        """Opens a page of Bursar without Airflow around it, which takes a tenth of the time; returns it."""
        self.page.goto(f"{self.address}/bursar/{path}")
        return self.page

    def find_faults(self) -> list[str]:
        """Returns the serious accessibility faults of the page that is shown alone, as axe-core finds them."""
        if not AXE.exists():
            pytest.skip("needs axe-core; make test-browser fetches it with npm")
        # The page's own policy would block a script element.
        self.page.evaluate(AXE.read_text(encoding="utf-8") + "; undefined")
        found = self.page.evaluate("axe.run()")
        return [
            f"{one['id']}: {one['help']}: {one['nodes'][0]['html']}"
            for one in found["violations"]
            if one["impact"] in SERIOUS
        ]


OpenScreen = Callable[..., Screen]


@pytest.fixture
def screen(chromium: "Browser", library: Library) -> Iterator[OpenScreen]:
    """Returns a function that opens a browser window of a person with a role."""
    contexts = []

    def open_screen(role: str = "admin", *, width: int = 1440, dark: bool = False) -> Screen:
        airflow = library.airflow
        context = chromium.new_context(
            viewport={"width": width, "height": 1000}, color_scheme="dark" if dark else "light"
        )
        contexts.append(context)
        page = context.new_page()
        opened = Screen(page, airflow.address)
        page.on("console", lambda message: opened.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: opened.errors.append(str(error)))
        page.goto(f"{airflow.address}/auth/login")
        page.fill("input[name=username]", PERSONS[role])
        page.fill("input[name=password]", airflow.password)
        page.click("button[type=submit]")
        page.wait_for_url(lambda url: "/auth/login" not in url)
        opened.errors.clear()
        return opened

    yield open_screen
    for context in contexts:
        context.close()
