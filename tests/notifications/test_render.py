"""The text and the HTML of notifications, also with hostile names."""

from decimal import Decimal
from html.parser import HTMLParser

import pytest

from bursar.ledger.totals import Skipped
from bursar.notifications.messages import report_message
from bursar.notifications.render import RenderedMessage, render_message
from bursar.reporting.run_report import RunOutcome, RunReport
from tests.support.reports import EXPORT, IMPORT, make_report

HOSTILE = "<script>alert('x')</script> \"quoted\" {{ 7 * 7 }} \u202egnp.exe \x1b[2J & Söhne"


def render_report(report: RunReport = EXPORT, name: str = "Student Accounts") -> RenderedMessage:
    message = report_message(report, owner_name=name, time_zone="America/New_York", link="http://a/b?c=1&d=2")
    return render_message(message)


class ParsedPage(HTMLParser):
    """The elements, the text and the links of an HTML page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.links: list[str | None] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_subject_starts_with_the_outcome() -> None:
    assert render_report(make_report(outcome=RunOutcome.FAILED)).subject.startswith(
        "Failed: Export to Bursar Using Profile Stud"
    )


def test_text_and_page_have_the_same_figures() -> None:
    message = render_report()

    page = ParsedPage(message.html)
    for figure in ("15,204.50 USD", "-12.00 USD", "15,192.50 USD", "402.10 USD", "STUDENTS-412-20260302020003.xml"):
        assert figure in message.text
        assert figure in page.text
    assert page.links == ["http://a/b?c=1&d=2"]
    assert message.text.count("http") == 1


def test_skip_reasons_are_in_the_order_of_the_rules() -> None:
    left = {reason: Skipped(1, 1, {"USD": Decimal(1)}) for reason in ("below_minimum", "new", "disputed")}

    page = render_report(make_report(skipped=left)).markdown

    titles = [
        "**Amounts**",
        "**Skipped**",
        "| the fine is disputed |",
        "fines are below the minimum amount |",
        "| new |",
    ]
    assert [page.index(title) for title in titles] == sorted(page.index(title) for title in titles)


def test_an_empty_section_has_no_heading() -> None:
    message = render_report(make_report(totals={}, skipped={}, files=()))

    for heading in ("Amounts", "Skipped", "Payments without effect", "What to look at", "Files"):
        assert heading not in message.text
        assert heading not in message.html


def test_hostile_names_are_shown_as_text() -> None:
    message = render_report(make_report(files=(HOSTILE,), messages=(HOSTILE, "line\nbreak")), name=HOSTILE)

    page = ParsedPage(message.html)
    assert "script" not in page.tags
    assert "<script>alert('x')</script> \"quoted\" {{ 7 * 7 }}" in page.text
    for text in (message.text, page.text, message.subject, message.brief):
        assert "\u202e" not in text
        assert "\x1b" not in text
    assert "\n" not in message.subject
    assert "line break" in message.text


@pytest.mark.parametrize("report", [EXPORT, IMPORT], ids=["export", "import"])
def test_a_page_loads_nothing_from_other_servers(report: RunReport) -> None:
    assert ParsedPage(render_report(report).html).tags.isdisjoint({"img", "script", "style", "link", "iframe", "form"})
