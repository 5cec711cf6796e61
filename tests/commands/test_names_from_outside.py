"""Names from outside move no cursor, start no line and reverse no text on the terminal of an operator."""

import json

import pytest
from sqlalchemy import Engine, text

from bursar.commands import context
from bursar.reporting.run_report import record_report
from tests.notifications.test_hostile_names import NAMES
from tests.support.cli import run
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fixtures import Library
from tests.support.reports import make_report

OBEYED = ("\x1b", "\u202e", "\r", "\u2066")


@pytest.fixture(autouse=True)
def wide_console(connection: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """No table breaks its lines."""
    monkeypatch.setattr(context.console, "_width", 400)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_a_file_is_shown_on_one_line(library: Library, owned_ledger: Engine, name: str) -> None:
    office = FakeBursar(library)
    _, transaction = office.export_fine("10.00")
    office.pay(Payment(transaction, "4"), Payment(transaction, name))
    with owned_ledger.begin() as connection:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        connection.execute(text("UPDATE import_files SET name = :name"), {"name": name})
    record_report(library.ledger, make_report(files=(name,), messages=(name,), run_id=name))

    lines = {command: run(*command.split()) for command in ("imports list", "imports rejects 1", "runs show 1")}

    assert not [command for command, shown in lines.items() for character in OBEYED if character in shown]
    assert len(lines["imports list"].splitlines()) <= 3
    assert len(lines["imports rejects 1"].splitlines()) == 2
    assert not [line for line in lines["runs show 1"].splitlines() if line.startswith("Bcc")]
    assert json.loads(run("imports", "list", "--format", "json"))[0]["name"] == name
