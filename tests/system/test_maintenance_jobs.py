"""Purge User Records and Bulk Fine Waiving on a real scheduler, started as from the form, and their reports."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, text

from bursar.db.engine import ledger_engine
from bursar.ledger import desk
from demo.library import Library
from demo.mail import mails

pytestmark = pytest.mark.slow

GROUP = "LEAVERS"
NOTIFICATIONS = """
notifications:
  completed: [completed@library.example]
  failed: [failed@library.example]
"""


@pytest.fixture(scope="module")
def engine(library: Library) -> Iterator[Engine]:
    """The library's ledger, with a user group for these tests."""
    engine = ledger_engine(library.ledger_url)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO user_groups VALUES (:group, 'Leavers')"), {"group": GROUP})
    yield engine
    engine.dispose()


@pytest.fixture(scope="module", autouse=True)
def _notifications(library: Library) -> None:
    """Makes the settings name the people who are notified of these jobs."""
    settings = library.state / "include" / "bursar.yaml"
    settings.write_text(settings.read_text() + NOTIFICATIONS)


def mails_about(library: Library, job: str) -> list[tuple[str, str, str]]:
    """Returns the mails about a job: recipient, subject and text."""
    return [
        (mail["To"], mail["Subject"], mail.get_body(("plain",)).get_content())  # type: ignore[union-attr]
        for mail in mails(library.mails)
        if job in mail["Subject"]
    ]


def add_user(engine: Engine, amount: str) -> tuple[int, int]:
    """Adds a user whose purge date has passed, with one fine; returns both ids."""
    with engine.begin() as connection:
        user: int = connection.execute(
            text("INSERT INTO users (last_name, user_group, purge_date) VALUES ('Leaver', :group, :date) RETURNING id"),
            {"group": GROUP, "date": date(2020, 1, 1)},
        ).scalar_one()
        fine = desk.add_fine(
            connection,
            user_id=user,
            fine_fee_type="LEAVERSFEE",
            amount=Decimal(amount),
            currency="USD",
            created_at=datetime.now(UTC),
        )
    return user, fine


def one(engine: Engine, sql: str, **values: Any) -> Any:
    with engine.connect() as connection:
        return connection.execute(text(sql), values).one()


def test_a_purge_from_the_form_and_the_same_task_again(library: Library, engine: Engine) -> None:
    client = library.airflow.client
    client.wait_for_dags(["bursar_purge_users"])
    gone, _ = add_user(engine, "4.00")
    kept, _ = add_user(engine, "40.00")

    form = {"user_groups": [GROUP], "waive_threshold": "5", "dry_run": False}
    run_id = client.trigger("bursar_purge_users", form)

    assert client.wait("bursar_purge_users", run_id) == "success"
    report = one(engine, "SELECT * FROM run_reports WHERE run_id = :run_id", run_id=run_id)
    assert (report.job, report.profile, report.outcome, report.users, report.fines) == (
        "purge",
        None,
        "completed",
        1,
        1,
    )
    assert report.skipped == {"above_threshold": {"fines": 1, "users": 1, "net": {"USD": "40.000"}}}
    assert list(report.task_timings) == ["check_limits", "purge_users"]
    names = {
        user: one(engine, "SELECT last_name FROM users WHERE id = :id", id=user).last_name for user in (gone, kept)
    }
    assert names == {gone: "Deleted user", kept: "Leaver"}
    [(to, subject, body)] = mails_about(library, "Purge User Records")
    assert (to, subject) == (
        "completed@library.example",
        "Completed: Purge User Records, 1 user purged, 1 fine waived, 4.00 USD",
    )
    assert "the user owes more than the threshold" in body
    assert "Leaver" not in body

    entries = one(engine, "SELECT count(*) AS entries FROM journal_entries").entries
    client.clear("bursar_purge_users", run_id)
    assert client.wait("bursar_purge_users", run_id) == "success"
    assert one(engine, "SELECT count(*) AS entries FROM journal_entries").entries == entries
    assert one(engine, "SELECT users FROM run_reports WHERE run_id = :run_id", run_id=run_id).users == 1
    assert len(mails_about(library, "Purge User Records")) == 1


def test_a_wrong_file_of_fine_ids_fails_the_run_with_the_line_of_the_error(library: Library, engine: Engine) -> None:
    client = library.airflow.client
    client.wait_for_dags(["bursar_waive_fines"])
    _, fine = add_user(engine, "4.00")
    folder = library.state / ".local" / "staging" / "fine_ids"
    folder.mkdir(parents=True)
    (folder / "amnesty.txt").write_text(f"{fine}\nseven\n")

    form = {"threshold": "5", "reason": "Amnesty", "fine_ids": "amnesty.txt", "dry_run": False}
    run_id = client.trigger("bursar_waive_fines", form)

    assert client.wait("bursar_waive_fines", run_id) == "failed"
    report = one(engine, "SELECT * FROM run_reports WHERE run_id = :run_id", run_id=run_id)
    assert (report.outcome, report.fines) == ("failed", 0)
    assert 'The check of the limits failed: amnesty.txt:2: "seven" is no fine id' in report.messages[0]
    assert one(engine, "SELECT balance FROM fines WHERE id = :id", id=fine).balance == Decimal(4)
    [(to, subject, body)] = mails_about(library, "Bulk Fine Waiving")
    assert (to, subject) == ("failed@library.example", "Failed: Bulk Fine Waiving, nothing was waived")
    assert report.messages[0] in " ".join(body.split())
