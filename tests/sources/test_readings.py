"""Reading a library's system: what is loaded, how far, and what is said about rows that have no file."""

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from bursar.errors import InputFileError, TransientError
from bursar.sources.load_types import LoadResult
from bursar.sources.system import Reading
from tests.support.memory_system import START, make_system_source
from tests.support.memory_town import Town


def describe(results: list[LoadResult]) -> list[str]:
    """Returns the messages of loads with their places."""
    return [f"{message.place} {message.code}: {message}" for result in results for message in result.messages]


def test_the_first_reading_is_complete_and_the_next_begins_at_the_last_less_the_overlap(town: Town) -> None:
    town.system.charge("1", "10.00")
    town.read()
    town.change(overlap_minutes=30)
    town.read()
    assert town.system.readings == [None, START - timedelta(hours=1), START + timedelta(minutes=30)]
    assert town.fine("1") == ("10.00", "0.00", "0.00")


def test_a_complete_reading_follows_once_a_day_of_the_source(town: Town) -> None:
    town.system.now = START + timedelta(hours=20, minutes=59)  # 23:59 in New York on the same day
    town.read()
    assert town.system.readings[1:] == [START - timedelta(hours=1)]
    town.system.now = START + timedelta(hours=21, minutes=1)
    town.read()
    assert town.system.readings[2:] == [START + timedelta(hours=19, minutes=59), None]


def test_a_fine_that_was_closed_is_settled_before_the_complete_reading_misses_it(town: Town) -> None:
    town.system.charge("1", "10.00")
    town.read()
    town.system.now += timedelta(days=1)
    town.system.change("1", balance=Decimal(0))
    assert describe(town.read()) == []
    assert town.fine("1") == ("0.00", "0.00", "0.00")


def test_a_settlement_whose_row_was_rejected_is_read_again_until_it_is_loaded(town: Town) -> None:
    """A complete reading has only what is open, so it never has this row."""
    town.system.charge("1", "10.00")
    town.read()
    town.system.now += timedelta(days=1)
    town.system.change("1", balance=Decimal(0), owner="New Desk")
    for _ in range(2):
        town.system.now += timedelta(days=1)
        assert [message.code for message in town.read()[0].messages] == ["unmapped"]
    assert town.fine("1") == ("10.00", "0.00", "0.00")
    town.change(owners={"Central Desk": "MAIN", "New Desk": "MAIN"})
    town.read()
    assert town.fine("1") == ("0.00", "0.00", "0.00")
    bookmark = town.system.now - timedelta(hours=1)
    town.read()
    assert town.system.readings[-1] == bookmark - timedelta(hours=1)  # it moves on


def test_a_rejected_row_that_is_open_or_new_does_not_keep_the_bookmark(town: Town) -> None:
    town.system.charge("1", "10.00")
    town.read()
    town.system.change("1", balance=Decimal(4), owner="New Desk")
    town.system.charge("2", "10.00", owner="New Desk")
    town.read()
    bookmark = town.system.now - timedelta(hours=1)
    town.read()
    assert town.system.readings[-1] == bookmark - timedelta(hours=1)


def test_a_clock_of_the_system_that_was_wrong_for_one_reading_hides_no_change(town: Town) -> None:
    now = town.system.now
    town.system.now = now + timedelta(days=400)
    town.read(now=now)
    town.system.now = now + timedelta(hours=2)
    town.system.charge("1", "10.00")
    town.read(now=town.system.now)
    assert town.fine("1") == ("10.00", "0.00", "0.00")
    town.system.now = now + timedelta(days=1)
    town.read(now=town.system.now)
    assert town.system.readings[-1] is None


def test_owners_and_types_are_those_of_the_maps(town: Town) -> None:
    town.system.charge("1", "10.00", type="Lost", owner="")
    town.system.charge("2", "10.00")
    town.read()
    assert town.rows("SELECT source_id, fine_fee_type, owner_library FROM fines ORDER BY 1") == [
        ("1", "LOSTITEM", None),
        ("2", "OVERDUEFINE", "MAIN"),
    ]


def test_an_unknown_value_is_a_rejected_row_that_names_the_map(town: Town) -> None:
    town.system.charge("1", "10.00", type="Damage")
    town.system.charge("2", "10.00", owner="Branch Desk")
    town.change(owners={"Central Desk": "MAIN"})
    town.system.charge("3", "10.00", owner="")
    [result] = town.read()
    assert describe([result]) == [
        f"TOWN fines:{place} unmapped: the {noun} is not in the map {name} of the source; add a line {line} to {name} "
        "in the file of the source; the next complete reading loads the fine"
        for place, noun, name, line in [
            (1, 'type "Damage"', "fine_fee_types", '"Damage": TYPE'),
            (2, 'owner "Branch Desk"', "owners", '"Branch Desk": LIBRARY'),
            (3, 'owner "none"', "owners", '"none": LIBRARY'),
        ]
    ]
    assert (result.counts.rejected, result.counts.fines_added) == (3, 0)


def test_a_fine_whose_value_is_no_longer_in_a_map_is_not_reported_as_missing(town: Town) -> None:
    town.system.charge("1", "10.00")
    town.system.charge("2", "5.00", type="Lost")
    town.read()
    town.change(fine_fee_types={"Overdue": "OVERDUEFINE"})
    town.system.now += timedelta(days=1)
    del town.system.fines["1"]
    results = town.read()
    assert [message.code for message in results[-1].messages] == ["unmapped", "missing_fine"]
    assert [message.source_id for message in results[-1].messages] == ["2", "1"]


def test_the_libraries_of_the_source_are_added_and_known_ones_stay_as_they_are(town: Town) -> None:
    town.change(libraries={"EAST": "East Branch", "MAIN": "Another name"}, owners={"Central Desk": "EAST"})
    town.system.charge("1", "10.00")
    town.read()
    assert town.rows("SELECT code, id, name FROM libraries WHERE code IN ('EAST', 'MAIN') ORDER BY code") == [
        ("EAST", "EAST", "East Branch"),
        ("MAIN", "161686070006761", "Main Library"),
    ]
    assert town.rows("SELECT owner_library FROM fines") == [("EAST",)]


def test_messages_of_a_load_are_kept_without_lines(town: Town) -> None:
    town.system.charge("1", "-10.00")
    [result] = town.read()
    assert [(message.file, message.line, message.source_id) for message in result.messages] == [
        ("TOWN fines", None, "1")
    ]
    assert town.rows("SELECT file, line, source_id FROM load_messages") == [("TOWN fines", None, "1")]


def test_a_refused_load_moves_nothing_on_and_says_where_its_rows_are_listed(town: Town) -> None:
    for number in range(20):
        town.system.charge(str(number), "10.00", type="Damage")
    with pytest.raises(
        InputFileError, match=r"^Load 2 of the source TOWN was refused, .*: 20 of 22 rows were rejected"
    ):
        town.read()
    town.change(fine_fee_types={"Damage": "DAMAGE"})
    [result] = town.read()
    assert result.counts.fines_added == 20
    assert town.system.readings == [None, START - timedelta(hours=1), START - timedelta(hours=1)]


def test_a_dry_run_changes_nothing(town: Town) -> None:
    town.system.charge("1", "10.00")
    [result] = town.read(dry_run=True)
    assert result.counts.fines_added == 1
    assert town.rows("SELECT count(*) FROM fines") == [(0,)]
    assert town.rows("SELECT read_at FROM system_sources") == [(START,)]


def test_two_systems_may_use_the_same_ids(town: Town) -> None:
    town.system.charge("1", "10.00")
    town.read()
    city = Town(town.library, town.work_dir, make_system_source(code="CITY", name="City Library"))
    city.system.primary_id = "citizen"
    city.system.charge("1", "5.00")
    city.read()
    assert town.rows(
        "SELECT fines.source, source_id, value FROM fines JOIN identifiers USING (user_id)"
        " WHERE type = 'userName' ORDER BY 1"
    ) == [("CITY", "1", "citizen7"), ("TOWN", "1", "reader7")]


def test_what_was_read_before_another_worker_has_written_is_not_loaded(town: Town) -> None:
    """The worker was frozen, say: its lock is lost, and what it has read is of the past."""
    town.system.charge("1", "10.00")
    town.read()
    town.bursar.export()
    town.system.change("1")
    read = town.system.read

    def read_and_lose_the_lock(since: datetime | None, folder: Path) -> Reading:
        reading = read(since, folder)
        town.lose_lock()
        town.write()
        return reading

    town.system.read = read_and_lose_the_lock  # type: ignore[method-assign]
    with pytest.raises(TransientError):
        town.read()
    town.system.read = read  # type: ignore[method-assign]
    town.read()
    assert town.fine("1") == ("0.00", "10.00", "0.00")
    assert town.rows("SELECT source_balance FROM fines") == [(0,)]
