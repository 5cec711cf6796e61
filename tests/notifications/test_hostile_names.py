"""Names from outside are only text in mails, chat rooms, notes of runs and the documentation of DAGs."""

import json
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import Engine

from bursar.airflow import notifier
from bursar.airflow.dag_docs import export_docs, import_docs
from bursar.airflow.notifier import notify
from bursar.airflow.run_listener import format_note
from bursar.notifications.messages import report_message
from bursar.notifications.render import render_message
from bursar.profiles import Profile
from demo.mail import mail_server, mails
from tests.support.fixtures import make_profile, make_settings
from tests.support.reports import IMPORT, make_report
from tests.test_escaping import render

NAMES = [
    "[x](javascript:alert(1)).xml",
    "![x](http://bursar.example.edu/seen.png)",
    "<img src=x>",
    "a | b `c` **d**.xml",
    "\u202elmx.exe \x1b[2J",
    "x\r\nBcc: everybody@example.edu\r\n\r\nSend money.xml",
]
LINKS = {"link_open", "image", "html_inline", "html_block", "blockquote_open"}


def check(markdown: str) -> str:
    """Checks that a page shows only text; returns its characters."""
    kinds, shown = render(markdown)
    assert not kinds & LINKS
    assert "\u202e" not in markdown
    assert "\x1b" not in markdown
    return shown


@pytest.mark.parametrize("name", NAMES)
def test_the_note_of_a_run_shows_only_text(name: str) -> None:
    note = format_note(
        "failed", [f"The loading of the file failed: {name}: the file is empty. `bin/bursar imports list` lists it."]
    )
    shown = check(note)
    assert "The loading of the file failed: " in shown
    assert "`bin/bursar imports list`" in note
    assert note.count("\n") == 1


@pytest.mark.parametrize("name", NAMES)
def test_the_preview_of_an_approval_shows_only_text(name: str) -> None:
    report = make_report(files=(name,), messages=(f"{name} is odd.",))
    message = report_message(report, owner_name=name, time_zone="UTC", link=None)
    assert "is odd." in check(render_message(message).markdown)


@pytest.mark.parametrize("name", NAMES)
def test_the_documentation_of_a_dag_shows_only_text(name: str) -> None:
    """YAML allows no control characters, and a name has one line."""
    text = name.replace("\x1b", "").replace("\u202e", "").replace("\r\n", " ")
    profile = make_profile()
    section = profile.import_.model_copy(update={"file_patterns": (text, "*.xml"), "done_file_suffix": text})
    changes: dict[str, Any] = {"name": text, "system_description": text, "import_": section}
    changed = profile.model_copy(update=changes | {"description": f"{text}\n\n    {text}"})
    settings = make_settings(institution_name=text)
    for page in (export_docs(changed, settings), import_docs(changed, settings)):
        shown = check(page)
        assert "code_block" not in render(page)[0]
        assert shown.replace("`", "").count(text.replace("`", "")) >= 4


def test_paths_and_patterns_stay_code_in_the_documentation_of_a_dag() -> None:
    profile = make_profile()
    section = profile.import_.model_copy(update={"file_patterns": ("*.xml", "paid_?.[xX]ml")})
    page = import_docs(profile.model_copy(update={"import_": section}), make_settings())
    assert "| Files | `*.xml` `paid_?.[xX]ml` |" in page
    assert f"`{profile.sftp_connection}`" in page


class _Room(BaseHTTPRequestHandler):
    """A Slack-like service that keeps the last notification."""

    received: list[str]

    def do_POST(self) -> None:
        self.received.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Logs nothing."""


def notifying(recipient: str) -> Profile:
    notifications = {"completed_with_warnings": [recipient]}
    return Profile.model_validate(
        make_profile().model_dump(by_alias=True, mode="json") | {"notifications": notifications}
    )


@pytest.fixture(autouse=True)
def _ledger_of_test(ledger: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifier, "ledger_url", lambda: ledger.url.render_as_string(hide_password=False))


def test_a_chat_room_that_reads_html_gets_text(monkeypatch: pytest.MonkeyPatch) -> None:
    class Room(_Room):
        pass

    Room.received = []
    with HTTPServer(("127.0.0.1", 0), Room) as service:
        Thread(target=service.serve_forever, daemon=True).start()
        config = {"path": f"json://127.0.0.1:{service.server_port}/?format=html", "tag": "bursar"}
        connection = {"conn_type": "apprise", "extra": {"config": config}}
        monkeypatch.setenv("AIRFLOW_CONN_ROOM", json.dumps(connection))
        notify(replace(IMPORT, messages=tuple(NAMES)), notifying("chat:room"), None)
        service.shutdown()
    [body] = Room.received
    assert "<img" not in json.loads(body)["message"]


@pytest.mark.parametrize("name", NAMES)
def test_a_mail_has_no_headers_and_no_markup_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    report = replace(IMPORT, files=(name,), messages=(name,), run_id=name)
    profile = notifying("library@example.edu").model_copy(update={"name": name})
    with mail_server(tmp_path) as port:
        extra = {"from_email": "bursar@library.edu", "disable_ssl": True, "disable_tls": True, "retry_limit": 0}
        connection = {"conn_type": "smtp", "host": "localhost", "port": port, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
        notify(report, profile, None)
    [mail] = mails(tmp_path)
    assert mail["Bcc"] is None
    assert mail["To"] == "library@example.edu"
    html = mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert "<img" not in html
    for part in (str(mail["Subject"]), html, mail.get_body(("plain",)).get_content()):  # type: ignore[union-attr]
        assert "\u202e" not in part
        assert "\x1b" not in part
