"""The addresses by which mails, notes and requests for approval lead to the pages."""

import pytest
from airflow.configuration import conf

from bursar.airflow.notifier import PAGES, page_url, report_url
from bursar.airflow.run_listener import MAX_NOTE_LENGTH, format_note, merge_notes
from bursar.notifications.messages import report_message
from bursar.notifications.render import render_message
from bursar.plugin import PREFIX, BursarPlugin
from tests.support.reports import make_report

URL = "https://airflow.library.edu/a/plugin/bursar/a/bursar/runs/7"


@pytest.fixture(autouse=True)
def base_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives Airflow an address with a path."""
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.library.edu/a/")


def test_the_path_of_airflow_is_in_the_address_twice_as_airflow_writes_it() -> None:
    assert page_url("runs/7") == URL
    assert report_url(make_report(id=7)) == URL
    assert report_url(make_report()) is None


def test_without_a_path_the_pages_are_below_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://localhost:8080")
    assert page_url("waiting") == "http://localhost:8080/plugin/bursar/bursar/waiting"


def test_without_an_address_of_airflow_there_is_no_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW__API__BASE_URL")
    assert conf.get("api", "base_url", fallback="") == ""
    assert page_url("waiting") is None


def test_the_addresses_are_those_of_the_plugin() -> None:
    [navigation] = [view for view in BursarPlugin.external_views if view["destination"] == "nav"]
    assert navigation["url_route"] == PREFIX == PAGES


def test_the_mail_about_a_run_leads_to_its_report() -> None:
    message = report_message(make_report(id=7), owner_name="Students", time_zone="UTC", link=URL)
    rendered = render_message(message)
    assert f"Open the job report: {URL}" in rendered.text
    assert f'href="{URL}"' in rendered.html


def test_without_a_link_the_mail_names_the_way_to_the_page() -> None:
    message = report_message(make_report(id=7), owner_name="Students", time_zone="UTC", link=None)
    rendered = render_message(message)
    assert "Open the job report: Bursar > Job history" in rendered.text
    assert "Open the job report: Bursar &gt; Job history" in rendered.html
    assert rendered.brief.endswith("Bursar > Job history")


def test_a_report_that_is_not_recorded_is_on_no_page() -> None:
    message = report_message(make_report(), owner_name="Students", time_zone="UTC", link=None)
    assert "Open the" not in render_message(message).text


def test_no_message_and_no_note_has_a_command() -> None:
    sentence = "No run completes it. Apply it again (`bin/bursar imports apply-again 2`)."
    message = report_message(make_report(id=7, messages=(sentence,)), owner_name="S", time_zone="UTC", link=URL)
    rendered = render_message(message)
    note = format_note("failed", [sentence], reason=sentence)
    for text in (rendered.text, rendered.html, rendered.brief, rendered.markdown, note):
        assert "Apply it again." in text
        assert "bin/bursar" not in text


def test_the_note_of_a_run_leads_to_its_report_and_is_replaced_by_a_newer_one() -> None:
    note = format_note("completed", ["Look."], report=URL)
    assert note.splitlines()[0] == f"Outcome: **completed** ([job report]({URL}))"
    assert format_note("completed", []) == r"Outcome: **completed** (Bursar \> Job history)"
    failed = format_note("failed", ["x" * 2_000], reason="The upload of the file failed: no.", report=URL)
    assert f"([job report]({URL}))" in merge_notes(failed, note)
    assert "completed" not in merge_notes(failed, note)
    assert len(merge_notes(failed, note)) <= MAX_NOTE_LENGTH
