"""`bin/bursar statements`, and `layouts` with layouts of statements."""

import csv
from io import StringIO
from pathlib import Path

import pytest

from bursar.commands import layouts as layout_commands
from bursar.commands import payment_layouts
from tests.support.cli import run, run_json
from tests.support.fake_bursar import FakeBursar
from tests.support.statement_inbox import StatementInbox


@pytest.fixture
def compared(statements: StatementInbox, office: FakeBursar) -> StatementInbox:
    """A statement: one fine agrees, one differs, one is unknown here."""
    ids = [office.export_fine("10.00")[1] for _ in range(2)]
    statements.age()
    statements.compare(f"{ids[0]},10.00,USD", f"{ids[1]},12.00,USD", "=1+1,4.00,USD")
    return statements


def test_statements_are_listed_with_their_differences(compared: StatementInbox) -> None:
    assert "open.csv" in run("statements", "list")
    [found] = run_json("statements", "list", "--profile", "STUDENTS")
    assert (found["name"], found["differences"], found["lists"]) == ("open.csv", 2, "open")
    assert found["outcomes"]["DIFFERS"] == {
        "results": 1,
        "ours": {"USD": "10.00"},
        "theirs": {"USD": "12.00"},
    }
    assert compared


def test_a_statement_is_shown_with_the_sums_of_both_sides(compared: StatementInbox) -> None:
    shown = " ".join(run("statements", "show", "1").split())
    assert "another sum there than here 1 12.00 USD 10.00 USD" in shown
    assert "2 differences; shown: 2." in shown
    assert "There is no statement 7" in run("statements", "show", "7", exit_code=2)
    assert compared


def test_results_are_safe_in_a_spreadsheet_and_chosen_by_outcome(compared: StatementInbox) -> None:
    rows = list(csv.DictReader(StringIO(run("statements", "results", "1", "--format", "csv"))))
    assert [row["outcome"] for row in rows] == ["DIFFERS", "UNKNOWN_HERE", "AGREES"]
    assert rows[1]["transaction_id"] == "'=1+1"
    [only] = run_json("statements", "results", "1", "--outcome", "agrees")
    assert (only["outcome"], only["ours"]) == ("AGREES", "10.00")
    assert "No result has this outcome." in run("statements", "results", "1", "--outcome", "pending")
    assert compared


def test_the_commands_of_layouts_know_statements(
    statements: StatementInbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (layout_commands, payment_layouts):
        monkeypatch.setattr(module, "INCLUDE", statements.layouts.parent)
    [listed] = run_json("layouts", "list")
    assert (listed["name"], listed["for"]) == ("office", "statement")
    run("layouts", "check")
    file = tmp_path / "open.csv"
    file.write_text("Id,Open,Currency\n1,10.00,USD\n2,?,USD\n", encoding="utf-8")
    assert "The file has 2 statement lines, 1 with a problem." in " ".join(
        run("layouts", "read", "office", str(file)).split()
    )
    (statements.layouts / "office.yaml").write_text("for: statement\nkind: delimited\n", encoding="utf-8")
    assert "lists: is missing" in run("layouts", "check", exit_code=1)
