"""The record of a load, dry runs, complete loads, sources beside each other, and what no load reports twice."""

import json
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from sqlalchemy import text

from bursar.db.queries import query
from bursar.reporting.fine_history import list_events
from bursar.sources.load_types import MAX_MESSAGES, InvalidRowsError
from bursar.sources.records import get_load, write_load_messages
from bursar.sources.refusals import describe_rejected
from tests.support.library_source import CHARGE, CREDIT, LibrarySource
from tests.support.library_system import FINE


def dump(source: LibrarySource) -> dict[str, list[Any]]:
    """Returns the rows that a load may change."""
    tables = ("loads", "load_messages", "deferred_fines", "contested_identifiers")
    return source.system.everything() | {table: source.system.rows(f"SELECT * FROM {table}") for table in tables}


def test_a_dry_run_returns_what_a_load_would_do_and_changes_nothing(source: LibrarySource) -> None:
    source.load({}, {"fine_id": "F2"})
    before = dump(source)
    rows = [CHARGE | row for row in ({"balance": "4.00"}, {"fine_id": "F2", "primary_id": "nobody"}, {"fine_id": "F3"})]
    looked = source.system.load(rules={"currency": "USD"}, dry_run=True, fines=rows)
    assert dump(source) == before
    loaded = source.system.load(rules={"currency": "USD"}, fines=rows)
    assert (looked.counts, looked.rejected, looked.entries) == (loaded.counts, loaded.rejected, loaded.entries)
    assert [str(message) for message in looked.messages] == [str(message) for message in loaded.messages]


def test_the_entries_of_a_load_are_summed_up(source: LibrarySource) -> None:
    source.load({}, {"fine_id": "F2"})
    result = source.load({"balance": "4.00"}, {"fine_id": "F2", "balance": "0.00"}, {"fine_id": "F3"})
    assert [(entry.entry_type, entry.fines, entry.balance_change) for entry in result.entries] == [
        ("CHARGED", 1, Decimal(10)),
        ("PAID", 2, Decimal(-16)),
    ]


def test_a_load_is_recorded_with_its_files(source: LibrarySource) -> None:
    result = source.load({}, {"fine_id": "F2", "amount": "x"})
    (recorded,) = source.system.rows("SELECT to_jsonb(loads) FROM loads")
    assert (recorded["id"], recorded["source"], recorded["is_refused"]) == (result.load_id, "", False)
    (file,) = recorded["files"]
    assert (file["table"], file["rows"], len(file["sha256"])) == ("fines", 2, 64)
    assert (recorded["counts"]["fines_added"], recorded["rejected"]) == (1, {"malformed": 1})
    assert source.system.rows("SELECT DISTINCT load_id FROM journal_entries") == [result.load_id]


def test_a_refused_load_does_not_hide_the_warnings_of_the_next_one(exported: LibrarySource) -> None:
    rows = [CHARGE | {"owner_library": "MAIN"}, CHARGE | {"fine_id": "F2", "amount": "x"}]
    with pytest.raises(InvalidRowsError):
        exported.system.load(strict=True, rules={"currency": "USD"}, fines=rows)
    assert exported.codes({"owner_library": "MAIN"}) == ["fixed_value"]


def test_a_fine_that_a_complete_load_does_not_have_is_reported_once_and_stays_open(source: LibrarySource) -> None:
    source.rules["complete"] = True
    source.load({}, {"fine_id": "F2"}, {"fine_id": "F3", "balance": "0.00"})
    assert source.codes({"fine_id": "F2"}) == ["missing_fine"]
    assert source.codes({"fine_id": "F2"}) == []
    assert source.position("F1") == ("ACTIVE", "10.00", "0.00")


def test_only_a_complete_load_of_fines_misses_any(source: LibrarySource) -> None:
    source.load({}, {"fine_id": "F2"})
    assert source.codes({}) == []
    source.rules["complete"] = True
    rules = {"currency": "USD", "complete": True}
    assert source.system.load(rules=rules, users=[{"primary_id": "user1", "user_group": "STAFF"}]).messages == ()


def test_a_missing_fine_of_an_unfinished_export_is_reported_too(source: LibrarySource) -> None:
    source.rules["complete"] = True
    source.load({}, {"fine_id": "F2"})
    batch = source.select()
    assert source.codes({"fine_id": "F2"}) == ["missing_fine"]
    source.close(batch)
    assert source.codes({"fine_id": "F2"}) == []


def test_two_sources_have_fines_of_their_own(source: LibrarySource) -> None:
    for code in ("koha", "law"):
        assert source.system.load(rules={"currency": "USD", "code": code}, fines=[CHARGE]).counts.fines_added == 1
    (message,) = source.load({}).messages
    assert (message.code, message.is_rejection) == ("other_source", True)
    assert source.library.one("SELECT count(*) FROM fines") == 2


def test_a_source_adopts_the_fines_that_were_loaded_by_hand(source: LibrarySource) -> None:
    source.load({})
    source.rules["code"] = "koha"
    assert source.load({"balance": "4.00"}).counts.fines_changed == 1
    assert source.position() == ("ACTIVE", "4.00", "0.00")


def test_a_fine_of_an_earlier_version_that_was_exported_is_only_recorded_first(exported: LibrarySource) -> None:
    with exported.library.ledger.begin() as connection:
        connection.exec_driver_sql("UPDATE fines SET source_balance = NULL")
    entries = exported.count_entries()
    assert exported.codes({"balance": "3.00"}) == []
    assert exported.count_entries() == entries
    assert exported.codes({"balance": "1.00"}) == []
    assert exported.export() == [("-2.00", "1")]


def test_merged_accounts_move_a_charge_with_its_credit(exported: LibrarySource) -> None:
    exported.load({}, CREDIT | {"balance": "0.00"})
    moved = {"primary_id": "user2"}
    assert exported.codes(moved, CREDIT | moved | {"balance": "0.00"}) == []
    assert [exported.fine(name).user_id for name in ("F1", "C1")] == [2, 2]
    assert exported.export() == [("-10.00", "1")]


def test_the_history_of_a_fine_names_the_loads_that_changed_it(source: LibrarySource) -> None:
    moved = {"primary_id": "user2"}
    returned = moved | {"balance": "0.00"}
    loads = [source.load({}).load_id, source.load(moved).load_id, source.load(returned, CREDIT | returned).load_id]
    with source.library.ledger.connect() as connection:
        fine = connection.execute(query("commands/get_fine"), {"fine_id": source.fine().id}).one()
        events = [(event.kind, event.details) for event in list_events(connection, fine)]
    assert events == [
        ("CHARGED", f"load {loads[0]}"),
        ("MOVED", f"accounts merged in the library system, to user 2, load {loads[1]}"),
        ("REVERSED", f"reversed in the library system, load {loads[2]}"),
    ]


def test_a_load_keeps_a_limited_number_of_messages_of_each_reason(source: LibrarySource) -> None:
    source.rules["min_rejected_rows"] = 10_000
    source.load({})
    wrong = [{"fine_id": f"W{number}", "amount": "x"} for number in range(MAX_MESSAGES + 2)]
    result = source.load({"owner_library": "MAIN"}, *wrong, {"fine_id": "Z", "primary_id": "nobody"})
    codes = [message.code for message in result.messages]
    assert {code: codes.count(code) for code in codes} == {
        "malformed": MAX_MESSAGES,
        "unknown_user": 1,
        "fixed_value": 1,
    }
    assert result.rejected == {"malformed": MAX_MESSAGES + 2, "unknown_user": 1}
    assert source.library.one("SELECT count(*) FROM load_messages") == MAX_MESSAGES + 2


def test_rejected_rows_that_earlier_loads_deferred_do_not_refuse_other_files(source: LibrarySource) -> None:
    load_id = source.load({}).load_id
    with source.library.ledger.begin() as connection:  # the library system has removed their user since
        connection.execute(
            text(
                "INSERT INTO deferred_fines (source, source_id, load_id, file, line, row)"
                " SELECT '', 'D' || n, :load_id, 'old.csv', n,"
                " CAST(:row AS jsonb) || jsonb_build_object('fine_id', 'D' || n)"
                " FROM generate_series(1, 25) AS n"
            ),
            {"load_id": load_id, "row": json.dumps(FINE | {"primary_id": "nobody"})},
        )
    result = source.load({"fine_id": "G1", "primary_id": "user2"})
    assert (result.counts.fines_added, result.counts.rejected, result.rejected) == (1, 25, {"unknown_user": 25})
    strict = source.system.load(
        strict=True, rules={"currency": "USD"}, users=[{"primary_id": "user1", "user_group": "STAFF"}]
    )
    assert strict.counts.rejected == 25
    with source.library.ledger.connect() as connection:
        record = get_load(connection, strict.load_id)
    assert describe_rejected(record) == (
        "25 rows were rejected, with those that earlier loads deferred (25 unknown user)"
    )


def test_all_rejected_rows_that_a_load_keeps_are_written_as_csv(source: LibrarySource) -> None:
    load_id = source.load({}).load_id
    with source.library.ledger.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO load_messages (load_id, number, kind, code, file, line, reason, remedy)"
            f" SELECT {load_id}, n, 'rejected', 'code_' || mod(n, 4), 'f', n, 'r', 'm'"
            " FROM generate_series(1, 4000) AS n"
        )
    out = StringIO(newline="")
    with source.library.ledger.connect() as connection:
        assert write_load_messages(connection, load_id, out) == 4_000
    assert len(out.getvalue().splitlines()) == 4_001
