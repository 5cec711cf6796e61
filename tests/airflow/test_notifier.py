"""Notifications, through a real mail server and a real chat service.

The module is long because the mail and the chat tests share their servers and report.
"""

import json
import logging
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from bursar.airflow import notifier
from bursar.airflow.export_dag import export_dag
from bursar.airflow.notifier import notify, page_url
from bursar.airflow.task_failure import ReportedFailure
from bursar.page_names import Page
from bursar.profiles import Profile
from bursar.reporting.run_report import RunOutcome, RunReport, record_report
from demo.mail import Login, mail_server, mails
from tests.support.fixtures import NOW, Library, make_profile, make_settings
from tests.support.reports import EXPORT, IMPORT, make_report

RUN = "http://airflow.library.edu/dags/bursar_export__STUDENTS/runs/x"
Connect = Callable[..., None]


@pytest.fixture(autouse=True)
def _ledger_of_test(ledger: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the ledger of the test that of Airflow's connection."""
    monkeypatch.setattr(notifier, "ledger_url", lambda: ledger.url.render_as_string(hide_password=False))


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Creates the Airflow connection smtp_default to a port of this machine."""

    def connect(port: int, **more: object) -> None:
        extra = {"from_email": "bursar@library.edu", "disable_ssl": True, "disable_tls": "password" not in more}
        connection = {"conn_type": "smtp", "host": "localhost", "port": port, "extra": extra | {"retry_limit": 0}}
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection | more))

    return connect


@pytest.fixture
def mailbox(tmp_path: Path, connect: Connect) -> Iterator[Path]:
    """The folder in which the mail server of Airflow's connection stores mails."""
    with mail_server(tmp_path / "mail", refuses=frozenset({"gone@library.edu"})) as port:
        connect(port)
        yield tmp_path / "mail"


def notifying_profile(**notifications: list[str]) -> Profile:
    """Returns a profile that notifies a person of each outcome, or these people."""
    everybody = {
        name: [f"{name}@library.edu"] for name in ("completed", "completed_with_warnings", "nothing_to_do", "failed")
    }
    return Profile.model_validate(
        make_profile().model_dump(by_alias=True, mode="json") | {"notifications": everybody | notifications}
    )


def record_and_notify(report: RunReport, ledger: Engine, profile: Profile | None = None) -> None:
    """Records a report and notifies people, as the last task of a DAG does."""
    notify(record_report(ledger, report), profile or notifying_profile(), RUN)


@pytest.mark.parametrize(
    ("report", "recipient", "subject", "sentences"),
    [
        (
            EXPORT,
            "completed@library.edu",
            (
                "Completed: Export to Bursar Using Profile Students accounts, "
                "1,204 fines of 811 users exported, 20.00 CAD, 15,192.50 USD"
            ),
            ["younger than the time before export     60     41  402.10 USD", "Ended: 2026-03-02 02:00:44 EST"],
        ),
        (
            IMPORT,
            "completed_with_warnings@library.edu",
            (
                "Completed with warnings: Import from Bursar using Profile Students accounts Fines and Fees, "
                "3 fines of 2 users paid at the bursar's, 60.00 USD"
            ),
            [
                "What to look at\n- 2 of 5 records in payments.xml had no effect (2: no such fine).",
                "UNMATCHED: no exported fine has this transaction id or internal id        2  7.50 USD",
            ],
        ),
        (
            make_report(outcome=RunOutcome.NOTHING_TO_DO, files=(), users=0, fines=0, totals={}, skipped={}),
            "nothing_to_do@library.edu",
            "Nothing to do: Export to Bursar Using Profile Students accounts, nothing was exported",
            ["Run: scheduled__2026-03-02T07:00:00+00:00"],
        ),
        (
            make_report(
                outcome=RunOutcome.FAILED,
                users=0,
                fines=0,
                totals={},
                messages=("The upload of the file failed: no login.",),
            ),
            "failed@library.edu",
            "Failed: Export to Bursar Using Profile Students accounts, nothing was exported",
            ["- The upload of the file failed: no login."],
        ),
    ],
    ids=lambda value: value.outcome.replace(" ", "-") if isinstance(value, RunReport) else "",
)
def test_each_outcome_is_mailed_to_its_recipients(
    ledger: Engine,
    mailbox: Path,
    monkeypatch: pytest.MonkeyPatch,
    report: RunReport,
    recipient: str,
    subject: str,
    sentences: list[str],
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.library.edu")
    record_and_notify(report, ledger)
    address = page_url("runs/1")

    [mail] = mails(mailbox)
    assert (mail["To"], mail["From"], mail["Subject"]) == (recipient, "bursar@library.edu", subject)
    text = mail.get_body(("plain",)).get_content().replace("\r\n", "\n")  # type: ignore[union-attr]
    for sentence in [*sentences, f"Open the job report: {address}"]:
        assert sentence in text
    page = mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert f'href="{address}"' in page
    assert report.outcome.capitalize() in page


def test_nobody_is_notified_twice_unless_the_report_has_changed(ledger: Engine, mailbox: Path) -> None:
    failed = make_report(outcome=RunOutcome.FAILED, messages=("The upload of the file failed: no login.",))
    record_and_notify(failed, ledger)
    record_and_notify(
        make_report(outcome=RunOutcome.FAILED, messages=failed.messages, task_timings={"upload_file": 3.0}), ledger
    )
    assert len(mails(mailbox)) == 1

    record_and_notify(
        make_report(outcome=RunOutcome.FAILED, messages=("The upload of the file failed: disk full.",)), ledger
    )
    record_and_notify(EXPORT, ledger)

    assert [mail["Subject"].partition(":")[0] for mail in mails(mailbox)] == ["Failed", "Failed", "Completed"]


def test_a_dry_run_notifies_nobody_and_neither_does_a_profile_without_recipients(ledger: Engine, mailbox: Path) -> None:
    record_and_notify(make_report(dry_run=True), ledger)
    record_and_notify(EXPORT, ledger, notifying_profile(completed=[]))

    assert mails(mailbox) == []


def test_a_mail_server_that_is_down_is_reported_and_the_mail_is_sent_later(
    library: Library, ledger: Engine, tmp_path: Path, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    connect(port)
    record_and_notify(EXPORT, ledger)

    [message] = library.one("SELECT messages FROM run_reports")
    assert message == (
        "The notification to completed@library.edu was not sent (connection smtp_default: Connection refused). "
        "Correct the Airflow connection smtp_default, or wait until the server is back. To send the notification of a "
        "run again, clear its task report_run."
    )
    assert message in caplog.text

    with mail_server(tmp_path / "mail", port=port):
        record_and_notify(EXPORT, ledger)
    assert len(mails(tmp_path / "mail")) == 1
    assert library.one("SELECT messages FROM run_reports") == []


def test_a_server_that_hangs_delays_the_run_for_a_limited_time(
    library: Library, ledger: Engine, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier, "TIMEOUT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        connect(hanging.getsockname()[1])
        began = time.monotonic()
        record_and_notify(EXPORT, ledger)

    assert time.monotonic() - began < 5
    assert "timed out after 0.3 seconds" in library.one("SELECT messages[1] FROM run_reports")


def test_without_a_connection_the_report_says_so(library: Library, ledger: Engine) -> None:
    record_and_notify(EXPORT, ledger)

    assert "connection smtp_default: SMTP connection is not found." in library.one(
        "SELECT messages[1] FROM run_reports"
    )


def test_a_rejected_address_does_not_stop_the_mail_to_the_others(
    library: Library, ledger: Engine, mailbox: Path
) -> None:
    profile = notifying_profile(completed=["gone@library.edu", "desk@library.edu"])
    for _ in range(2):
        record_and_notify(EXPORT, ledger, profile)

    assert [mail["X-RcptTo"] for mail in mails(mailbox)] == ["desk@library.edu"]
    assert "gone@library.edu was not sent (connection smtp_default: the server answers 550 No such user here)" in (
        library.one("SELECT messages[1] FROM run_reports")
    )


@pytest.mark.parametrize(("password", "arrives"), [("right", True), ("wrong", False)])
def test_mail_is_sent_over_tls_with_a_login(
    library: Library,
    tmp_path: Path,
    connect: Connect,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
    password: str,
    arrives: bool,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    with mail_server(tmp_path / "mail", login=Login("bursar", "right", tls)) as port:
        connect(port, host="127.0.0.1", login="bursar", password=password)
        record_and_notify(EXPORT, library.ledger)

    assert len(mails(tmp_path / "mail")) == arrives
    assert bool(library.one("SELECT messages FROM run_reports")) is not arrives


class _Room(BaseHTTPRequestHandler):
    """A chat service that stores the messages it receives."""

    received: list[dict[str, str]]
    status = 200

    def do_POST(self) -> None:
        self.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Logs nothing."""


@pytest.mark.parametrize("status", [200, 500])
def test_a_chat_room_is_notified_through_apprise(
    library: Library, ledger: Engine, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    class Room(_Room):
        pass

    Room.received, Room.status = [], status
    with HTTPServer(("127.0.0.1", 0), Room) as service:
        Thread(target=service.serve_forever, daemon=True).start()
        config = {"path": f"json://127.0.0.1:{service.server_port}/", "tag": "bursar"}
        monkeypatch.setenv(
            "AIRFLOW_CONN_LIBRARY_SLACK", json.dumps({"conn_type": "apprise", "extra": {"config": config}})
        )
        record_and_notify(IMPORT, ledger, notifying_profile(completed_with_warnings=["chat:library_slack"]))
        service.shutdown()

    [notification] = Room.received
    assert notification["title"].startswith("Completed with warnings: Import from Bursar")
    assert notification["type"] == "warning"
    assert notification["message"].splitlines()[1:] == [IMPORT.messages[0], Page.HISTORY]
    messages = library.one("SELECT messages FROM run_reports")
    assert messages[0] == IMPORT.messages[0]
    assert ["chat:library_slack was not sent (connection library_slack: " in message for message in messages[1:]] == (
        [] if status == 200 else [True]
    )


def test_people_are_notified_while_the_ledger_is_down(
    mailbox: Path, ledger: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(notifier, "ledger_url", lambda: "postgresql://nobody@127.0.0.1:1/nowhere")
    with caplog.at_level(logging.WARNING):
        notify(EXPORT, notifying_profile(), RUN)

    assert len(mails(mailbox)) == 1
    assert "All are notified" in caplog.text


def test_people_are_notified_of_a_run_that_could_not_be_reported(mailbox: Path) -> None:
    task = export_dag(notifying_profile(), make_settings()).get_task("report_run")
    [callback] = cast("list[Any]", task.on_failure_callback)
    context: Any = {
        "dag_run": SimpleNamespace(start_date=None, run_after=NOW),
        "run_id": "today",
        "ti": SimpleNamespace(dag_id="bursar_export__STUDENTS"),
    }

    callback(context | {"exception": ReportedFailure("the run failed, and is reported")})
    assert mails(mailbox) == []

    callback(context | {"exception": OperationalError("SELECT 1", {}, Exception("no connection"))})
    [mail] = mails(mailbox)
    assert mail["To"] == "failed@library.edu"
    body = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "could not be reported (OperationalError). The ledger may be down." in body
