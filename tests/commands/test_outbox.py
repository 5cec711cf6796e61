"""`bin/bursar sources sync`, `check CODE` and `outbox`: what a library's system is informed of, and people decide."""

from decimal import Decimal
from pathlib import Path

import pytest

from bursar.profiles import INCLUDE
from bursar.sources.system import Finding
from tests.support.cli import run, run_json
from tests.support.memory_town import Town

SOURCE = """\
code: TOWN
name: Town Library
kind: memory
connection: town_system
owners: {Central Desk: MAIN}
fine_fee_types: {Overdue: OVERDUEFINE}
write_back: {handed_over: on}
schedule: daily at 02:00
currency: USD
time_zone: America/New_York
"""


@pytest.fixture
def town(registered_town: Town, include: Path, tmp_path: Path) -> Town:
    """A town whose source is a file, and one of whose fines was exported."""
    (include / "sources").mkdir()
    (include / "sources" / "town.yaml").write_text(SOURCE, encoding="utf-8")
    settings = include / "bursar.yaml"
    lines = [line for line in settings.read_text(encoding="utf-8").splitlines() if not line.startswith("work_dir:")]
    settings.write_text("\n".join([*lines, f"work_dir: {tmp_path / 'work'}", ""]), encoding="utf-8")
    registered_town.system.charge("1", "10.00")
    registered_town.read()
    registered_town.bursar.export()
    return registered_town


def test_a_person_synchronizes_a_source_now(town: Town) -> None:
    town.system.charge("2", "5.00")
    output = run("--by", "anna", "sources", "sync", "TOWN")
    assert "Written into Town Library: 1 done." in output
    assert "Fines: 1 added" in output
    assert town.rows("SELECT requested_by FROM loads ORDER BY id DESC LIMIT 1") == [("anna",)]


def test_fines_are_read_also_if_no_event_can_be_written(town: Town) -> None:
    town.system.charge("2", "5.00")
    town.system.missing_name = "There is no transfer account Bursar."
    assert "no transfer account" in run("sources", "sync", "TOWN", exit_code=1)
    assert town.rows("SELECT balance, outstanding FROM fines ORDER BY id") == [(0, 10), (5, 0)]


def test_a_dry_run_changes_nothing_here_or_there(town: Town) -> None:
    town.system.charge("2", "5.00")
    output = run("sources", "sync", "TOWN", "--dry-run")
    assert "This was a dry run: nothing was changed." in output
    assert (town.system.written, town.rows("SELECT count(*) FROM fines")) == ([], [(1,)])


def test_a_refused_event_is_listed_and_tried_again(town: Town) -> None:
    town.system.faults = ["refuse"]
    run("sources", "sync", "TOWN")
    assert "the fine is closed" in run("sources", "outbox", "list", "--state", "refused")
    [event] = run_json("sources", "outbox", "list", "--source", "TOWN")
    assert (event["kind"], event["amount"], event["state"]) == ("handed_over", "10.00", "refused")
    shown = run("sources", "outbox", "show", str(event["id"]))
    assert f"key: {event['key']}" in shown
    assert "tries event 1 again" in run("--by", "anna", "sources", "outbox", "retry", "1")
    assert run_json("sources", "outbox", "show", "1")["decided_by"] == "anna"
    run("sources", "sync", "TOWN")
    assert town.system.count("1") == 1


def test_all_refused_events_of_a_source_are_tried_again(town: Town) -> None:
    town.system.charge("2", "5.00")
    town.read()
    town.bursar.export()
    town.system.faults = ["refuse", "refuse"]
    run("sources", "sync", "TOWN")
    for wrong in ((), ("--all-refused",), ("--source", "TOWN"), ("1", "--source", "TOWN", "--all-refused")):
        assert "Name events, or a source" in run("sources", "outbox", "retry", *wrong, exit_code=2)
    none = run("sources", "outbox", "retry", "--source", "TOWN", "--all-unknown")
    assert none == "TOWN has no such events.\n"
    retried = run_json("sources", "outbox", "retry", "--source", "TOWN", "--all-refused")
    assert [(event["id"], event["state"]) for event in retried] == [(2, "pending"), (1, "pending")]
    run("sources", "sync", "TOWN")
    assert (town.system.count("1"), town.system.count("2")) == (1, 1)


def test_a_person_marks_as_done_what_was_done_by_hand(town: Town) -> None:
    town.system.faults = ["refuse"]
    run("sources", "sync", "TOWN")
    assert "write it as in 12.50" in run("sources", "outbox", "mark-done", "1", "--balance", "x", exit_code=2)
    assert run_json("sources", "outbox", "mark-done", "1", "--balance", "0")["state"] == "done"
    assert town.rows("SELECT source_balance FROM fines") == [(Decimal(0),)]


def test_the_check_of_a_system_says_what_is_wrong_and_what_to_do(town: Town) -> None:
    town.system.check = lambda: [  # type: ignore[method-assign]
        Finding("version", is_good=True, text="26.05"),
        Finding("owners", is_good=False, text="East Desk has no library.", remedy="Add it."),
    ]
    output = run("sources", "check", "TOWN", exit_code=1)
    assert output == "good: version: 26.05\nWRONG: owners: East Desk has no library. Add it.\n"
    assert run_json("sources", "list")[0]["kind"] == "memory"


def test_a_folder_of_files_is_not_synchronized_and_a_system_has_no_files(town: Town, include: Path) -> None:
    assert "bin/bursar sources sync TOWN" in run("sources", "load", "TOWN", exit_code=2)
    text = (INCLUDE / "sources.examples" / "library.yaml").read_text(encoding="utf-8")
    (include / "sources" / "library.yaml").write_text(text, encoding="utf-8")
    assert "bin/bursar sources load LIBRARY" in run("sources", "sync", "LIBRARY", exit_code=2)
