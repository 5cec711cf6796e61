"""A source is loaded from its folder, on a real server or on this machine, into a real ledger."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from bursar.errors import InputFileError, TransientError
from bursar.reporting.run_report import delete_reports_before
from bursar.sources.csv.faults import HeadingError
from bursar.sources.load_types import InvalidRowsError, LoadResult
from bursar.sources.loaded_files import remove_loaded_files
from bursar.sources.records import list_loads
from bursar.sources.source_lock import lock_source
from tests.support.fault_injection import KilledError, KillSwitch
from tests.support.source_inbox import USERS, SourceInbox, set_time, write_fines


def count_loads(inbox: SourceInbox) -> int:
    with inbox.library.ledger.connect() as connection:
        return len(list_loads(connection, limit=100))


def test_files_are_loaded_and_moved_away(any_source_inbox: SourceInbox) -> None:
    inbox = any_source_inbox
    inbox.put("users.csv", USERS)
    inbox.put("fines.csv", write_fines("12.50", "3"))
    [load] = inbox.load()
    assert inbox.balances() == {"F1": "12.50", "F2": "3.00"}
    assert (load.source, load.run_id, load.counts.fines_added, load.is_complete) == ("LAW", "run 1", 2, True)
    assert [(file["table"], file["name"], file["rows"]) for file in load.files] == [
        ("users", "users.csv", 1),
        ("fines", "fines.csv", 2),
    ]
    assert inbox.files() == ["processed/fines.csv", "processed/users.csv"]
    assert inbox.find_sets(is_last_check=True) == []
    assert list(inbox.work_dir.rglob("fetched*")) == [], "no personal data stays on this machine"


def test_a_run_waits_for_users_and_fines_and_takes_what_is_there_at_the_end(source_inbox: SourceInbox) -> None:
    source_inbox.put("fines.csv", write_fines("1"))
    assert source_inbox.find_sets() == []
    assert source_inbox.find_sets(is_last_check=True) == [{"fines": "fines.csv"}]
    source_inbox.put("users.csv", USERS)
    assert source_inbox.find_sets() == [{"users": "users.csv", "fines": "fines.csv"}]


def test_groups_and_libraries_are_taken_if_they_are_there(source_inbox: SourceInbox) -> None:
    source_inbox.change(
        files=source_inbox.source.files.model_copy(update={"groups": "groups*.csv", "libraries": "libraries*.csv"})
    )
    source_inbox.put("groups.csv", "code,name\nGUEST,Guests\n")
    assert source_inbox.find_sets() == []
    source_inbox.put("users.csv", USERS)
    source_inbox.put("fines.csv", write_fines("1"))
    assert source_inbox.find_sets() == [{"users": "users.csv", "fines": "fines.csv", "groups": "groups.csv"}]


def test_a_file_that_may_still_be_written_is_not_taken(source_inbox: SourceInbox) -> None:
    source_inbox.change(stable_for_seconds=60)
    source_inbox.put("users.csv", USERS)
    source_inbox.put("fines.csv", write_fines("1"))
    assert source_inbox.find_sets(is_last_check=True) == []
    with source_inbox.library.ledger.begin() as connection:
        connection.execute(text("UPDATE observed_files SET unchanged_since = now() - interval '1 minute'"))
    assert len(source_inbox.find_sets()) == 1


def test_done_files_declare_files_complete_and_are_moved_with_them(any_source_inbox: SourceInbox) -> None:
    inbox = any_source_inbox
    inbox.change(done_file_suffix=".done", stable_for_seconds=3600)
    inbox.put("users.csv", USERS)
    inbox.put("fines.csv", write_fines("1"))
    inbox.put("fines.csv.done", "")
    assert inbox.find_sets() == []
    inbox.put("users.csv.done", "")
    inbox.load(inbox.find_sets())
    assert inbox.files() == [
        f"processed/{name}" for name in ("fines.csv", "fines.csv.done", "users.csv", "users.csv.done")
    ]


def test_several_files_are_loaded_one_after_the_other_oldest_first(any_source_inbox: SourceInbox) -> None:
    inbox = any_source_inbox
    set_time(inbox.put("users_b.csv", USERS), 0)
    for name, amount, seconds in (("fines_a.csv", "7", 60), ("fines_b.csv", "5", 30)):
        set_time(inbox.put(name, write_fines(amount)), seconds)
    sets = inbox.find_sets()
    assert sets == [{"users": "users_b.csv", "fines": "fines_b.csv"}, {"fines": "fines_a.csv"}]
    assert [load.counts.fines_added for load in inbox.load(sets)] == [1, 0]
    assert inbox.balances() == {"F1": "7.00"}


def test_a_load_without_fines_reports_none_as_missing(source_inbox: SourceInbox) -> None:
    source_inbox.put("users.csv", USERS)
    source_inbox.put("fines.csv", write_fines("1"))
    source_inbox.load()
    source_inbox.put("users.csv", USERS + "eve,Ng,Eve,STUDENT,,\n")
    [load] = source_inbox.load(run_id="run 2")
    assert (load.counts.warnings, load.is_complete) == (0, False)


def test_a_wrong_file_is_moved_to_failed_and_its_message_names_no_value(any_source_inbox: SourceInbox) -> None:
    inbox = any_source_inbox
    inbox.put("users.csv", USERS)
    inbox.put("fines.csv", write_fines(*["x"] * 25, user="Tim Beaver"))
    with pytest.raises(InputFileError) as error:
        inbox.load()
    message = str(error.value)
    assert "Load 1 of the source LAW was refused, and changed nothing: 25 of 26 rows were rejected (25 " in message
    assert "First: fines.csv:2 (" in message
    assert "`bin/bursar sources loads rejects 1`" in message
    assert "Beaver" not in message
    assert inbox.files() == ["failed/fines.csv", "failed/users.csv"]
    assert inbox.balances() == {}


def test_a_file_with_a_wrong_heading_is_moved_to_failed(any_source_inbox: SourceInbox) -> None:
    inbox = any_source_inbox
    inbox.put("users.csv", "Beaver,Tim\nNg,Ada\n")
    inbox.put("fines.csv", write_fines("1"))
    with pytest.raises(
        InputFileError, match=r"changed nothing: users\.csv:1: no column is recognised with commas"
    ) as error:
        inbox.load()
    assert "Beaver" not in str(error.value)
    assert inbox.files() == ["failed/fines.csv", "failed/users.csv"]


def test_a_heading_with_an_unknown_column_is_refused_without_its_name(source_inbox: SourceInbox) -> None:
    source_inbox.put("users.csv", USERS.replace("purge_date", "Tim Beaver"))
    with pytest.raises(
        InputFileError, match=r"the heading of a file is wrong.*First: users\.csv:1 \(unreadable\)"
    ) as error:
        source_inbox.load()
    assert "Beaver" not in str(error.value)


def test_a_refused_set_does_not_stop_the_next_one(source_inbox: SourceInbox) -> None:
    set_time(source_inbox.put("users.csv", USERS), 0)
    set_time(source_inbox.put("fines_a.csv", "no heading\n"), 0)
    set_time(source_inbox.put("fines_b.csv", write_fines("4")), 10)
    set_time(source_inbox.put("users_b.csv", USERS), 10)
    with pytest.raises(InputFileError, match="Load 1 of the source LAW was refused"):
        source_inbox.load()
    assert source_inbox.balances() == {"F1": "4.00"}
    assert source_inbox.files() == [
        "failed/fines_a.csv",
        "failed/users.csv",
        "processed/fines_b.csv",
        "processed/users_b.csv",
    ]


def test_strict_refuses_one_bad_row(source_inbox: SourceInbox) -> None:
    source_inbox.put("users.csv", USERS)
    source_inbox.put("fines.csv", write_fines("1", "x"))
    with pytest.raises(InputFileError, match=r"1 of 3 rows were rejected"):
        source_inbox.load(strict=True)
    assert source_inbox.balances() == {}


def test_files_that_stay_are_loaded_once(any_source_inbox: SourceInbox) -> None:
    inbox = any_source_inbox
    inbox.change(after_load="leave")
    set_time(inbox.put("users.csv", USERS), 0)
    set_time(inbox.put("fines.csv", write_fines("1")), 0)
    assert len(inbox.load()) == 1
    assert inbox.files() == ["fines.csv", "users.csv"]
    assert inbox.find_sets(is_last_check=True) == []
    set_time(inbox.put("fines.csv", write_fines("2")), 10)
    assert inbox.find_sets(is_last_check=True) == [{"fines": "fines.csv"}]
    set_time(inbox.put("fines.csv", "no heading\n"), 20)
    with pytest.raises(InputFileError, match="The files stay where they are"):
        inbox.load(run_id="run 2")
    assert inbox.find_sets(is_last_check=True) == [], "a refused file is not refused every night"


def test_a_good_file_that_stays_is_loaded_after_another_one_was_refused(source_inbox: SourceInbox) -> None:
    source_inbox.change(after_load="leave")
    set_time(source_inbox.put("users.csv", USERS), 0)
    set_time(source_inbox.put("fines.csv", "no heading\n"), 0)
    with pytest.raises(InputFileError):
        source_inbox.load()
    assert source_inbox.find_sets(is_last_check=True) == [{"users": "users.csv"}]
    set_time(source_inbox.put("fines.csv", write_fines("1")), 10)
    source_inbox.load(run_id="run 2")
    assert source_inbox.balances() == {"F1": "1.00"}


def test_files_that_stay_are_known_when_the_records_of_their_loads_are_deleted(source_inbox: SourceInbox) -> None:
    source_inbox.change(after_load="leave")
    for night in (1, 2):
        set_time(source_inbox.put(f"users_{night}.csv", USERS), night)
        set_time(source_inbox.put(f"fines_{night}.csv", write_fines(str(night))), night)
        source_inbox.load(run_id=f"night {night}")
    delete_reports_before(source_inbox.library.ledger, before=datetime.now(UTC) + timedelta(days=1))
    assert count_loads(source_inbox) == 1
    assert source_inbox.find_sets(is_last_check=True) == [], "else the older file would be loaded after the newer one"


def test_what_a_killed_worker_left_is_removed_when_the_ledger_has_it(source_inbox: SourceInbox) -> None:
    source_inbox.put("users.csv", USERS)
    source_inbox.put("fines.csv", write_fines("1"))
    [files] = source_inbox.find_sets()
    with source_inbox.run() as run, run._fetch(files):  # noqa: SLF001
        pass  # as if it had been killed
    left = list(source_inbox.work_dir.rglob("fetched"))
    assert len(left) == 2
    remove_loaded_files(source_inbox.library.ledger, "LAW", source_inbox.work_dir)
    assert list(source_inbox.work_dir.rglob("fetched")) == left, "the ledger does not have them"
    source_inbox.change(after_load="leave")
    with source_inbox.open() as folder, source_inbox.run("run 2") as run:
        replace(run, work_dir=source_inbox.work_dir / "other", folder=folder).load_sets([files])
    remove_loaded_files(source_inbox.library.ledger, "LAW", source_inbox.work_dir)
    assert list(source_inbox.work_dir.rglob("fetched")) == []


def test_a_killed_run_loads_nothing_twice_and_moves_the_files_when_it_is_repeated(source_inbox: SourceInbox) -> None:
    """The worker is killed before and after each request to the server; the task is repeated until it ends."""
    kill_at, kills = 0, 0
    while True:
        night = f"night {kill_at}"
        for path in source_inbox.disk.rglob("*.csv"):
            path.unlink()
        set_time(source_inbox.put("users.csv", USERS), kill_at)
        set_time(source_inbox.put("fines.csv", write_fines(str(kill_at + 1))), kill_at)
        sets, before = source_inbox.find_sets(is_last_check=True), count_loads(source_inbox)
        switch = KillSwitch(kill_at, after=kill_at % 2 == 1)
        try:
            with source_inbox.run(night, switch) as run:
                run.load_sets(sets)
        except KilledError:
            kills += 1
            source_inbox.load(sets, night)
        else:
            break
        assert count_loads(source_inbox) == before + 1
        assert source_inbox.balances() == {"F1": f"{kill_at + 1}.00"}
        assert source_inbox.files() == ["processed/fines.csv", "processed/users.csv"]
        kill_at += 1
    assert kills > 5


def test_a_load_of_this_run_is_not_repeated_when_its_files_have_been_replaced(source_inbox: SourceInbox) -> None:
    set_time(source_inbox.put("users.csv", USERS), 0)
    set_time(source_inbox.put("fines.csv", write_fines("1")), 0)
    sets = source_inbox.find_sets()
    source_inbox.change(after_load="leave")  # as if it had been killed before the files were moved
    source_inbox.load(sets)
    source_inbox.change(after_load="archive")
    set_time(source_inbox.put("fines.csv", write_fines("2")), 10)
    source_inbox.load(sets)
    assert source_inbox.balances() == {"F1": "1.00"}
    assert source_inbox.files() == ["fines.csv", "processed/users.csv"], "the new file is left to the next run"
    source_inbox.load(run_id="run 2")
    assert source_inbox.balances() == {"F1": "2.00"}


def test_only_one_worker_loads_a_source(source_inbox: SourceInbox) -> None:
    with (
        lock_source(source_inbox.library.ledger, "LAW"),
        pytest.raises(TransientError, match="Another worker or a command is loading the source LAW"),
    ):
        source_inbox.load([])


def test_a_file_that_is_gone_before_it_was_loaded_is_waited_for(source_inbox: SourceInbox) -> None:
    with pytest.raises(TransientError, match=r"fines\.csv is not in .* any more, and has not been loaded"):
        source_inbox.load([{"fines": "fines.csv"}])


def test_a_dry_run_changes_nothing_and_moves_nothing(any_source_inbox: SourceInbox) -> None:
    inbox = any_source_inbox
    inbox.put("users.csv", USERS)
    inbox.put("fines.csv", write_fines("12.50", "x"))
    [files] = inbox.find_sets()
    with inbox.run() as run:
        result = run.preview_set(files)
    assert (result.counts.fines_added, result.counts.rejected) == (1, 1)
    assert (inbox.balances(), count_loads(inbox)) == ({}, 0)
    assert inbox.files() == ["fines.csv", "users.csv"]
    assert list(inbox.work_dir.rglob("fetched*")) == []
    inbox.put("fines.csv", write_fines(*["x"] * 25))
    with inbox.run() as run, pytest.raises(InvalidRowsError):
        run.preview_set(files)
    assert count_loads(inbox) == 0


def test_a_file_of_the_same_name_in_processed_is_not_replaced(any_source_inbox: SourceInbox) -> None:
    inbox = any_source_inbox
    for night in (1, 2):
        set_time(inbox.put("users.csv", USERS), night)
        set_time(inbox.put("fines.csv", write_fines(str(night))), night)
        inbox.load(run_id=f"night {night}")
    assert inbox.files() == [
        "processed/2-fines.csv",
        "processed/2-users.csv",
        "processed/fines.csv",
        "processed/users.csv",
    ]


def test_a_file_that_looks_like_another_one_stays_and_is_a_warning_of_the_load(source_inbox: SourceInbox) -> None:
    (source_inbox.disk / "processed").mkdir()
    set_time(source_inbox.put("users.csv", USERS), 0)
    set_time(source_inbox.put("processed/fines.csv", write_fines("2")), 0)
    set_time(source_inbox.put("fines.csv", write_fines("1")), 0)
    source_inbox.load()
    with source_inbox.library.ledger.connect() as connection:
        [warning] = connection.scalars(text("SELECT reason FROM load_messages WHERE code = 'not_archived'"))
    assert "fines.csv stays in " in warning
    assert source_inbox.find_sets(is_last_check=True) == [], "it is not loaded again"


def test_a_dry_run_shows_a_refusal_and_goes_on_with_the_next_set(source_inbox: SourceInbox) -> None:
    set_time(source_inbox.put("users.csv", USERS), 0)
    set_time(source_inbox.put("fines_a.csv", "no heading\n"), 0)
    set_time(source_inbox.put("fines_b.csv", write_fines("4")), 10)
    with source_inbox.run() as run:
        (first, refusal), (second, counted) = run.preview_sets(source_inbox.find_sets())
    assert (list(first.values()), list(second.values())) == (["users.csv", "fines_a.csv"], ["fines_b.csv"])
    assert isinstance(refusal, HeadingError)
    assert isinstance(counted, LoadResult)
    assert counted.counts.rejected == 1, "its user is in the first set"
    assert count_loads(source_inbox) == 0
