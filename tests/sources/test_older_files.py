"""An older file that is put back after a newer one was loaded asks a person: it would take newer changes back."""

import pytest

from bursar.errors import InputFileError
from bursar.sources.load_types import OlderFileError
from bursar.sources.records import list_loads
from tests.support.fault_injection import KilledError, KillSwitch
from tests.support.source_inbox import FINES_HEADING, USERS, SourceInbox, set_time, write_fines


def put_fines(inbox: SourceInbox, amount: str, *, at: int, name: str = "fines.csv") -> None:
    set_time(inbox.put(name, write_fines(amount)), at)


@pytest.fixture
def inbox(local_inbox: SourceInbox) -> SourceInbox:
    """A source of which a file of the moment 1000 has been loaded: F1 is 5.00."""
    set_time(local_inbox.put("users.csv", USERS), 1000)
    put_fines(local_inbox, "5", at=1000)
    local_inbox.load()
    return local_inbox


def test_an_older_file_is_refused_and_a_person_can_load_it(inbox: SourceInbox) -> None:
    put_fines(inbox, "9", at=10, name="fines-old.csv")
    with pytest.raises(
        InputFileError, match=r"fines-old.csv: the file is of 14 November 2023 22:13:30 UTC, and load "
    ) as error:
        inbox.load(run_id="run 2")
    assert "load 2 of the source law was refused" in str(error.value).casefold()
    assert "(`bin/bursar sources load LAW --older`). The files were moved to failed." in str(error.value)
    assert inbox.balances() == {"F1": "5.00"}
    assert inbox.files() == ["failed/fines-old.csv", "processed/fines.csv", "processed/users.csv"]

    (inbox.disk / "failed/fines-old.csv").rename(inbox.disk / "fines-old.csv")
    [load] = inbox.load(run_id=None, allow_older=True)
    assert (inbox.balances(), load.counts.fines_changed) == ({"F1": "9.00"}, 1)


def test_a_dry_run_says_so_too_and_records_nothing(inbox: SourceInbox) -> None:
    put_fines(inbox, "9", at=10)
    with inbox.run() as run, pytest.raises(OlderFileError):
        run.preview_set({"fines": "fines.csv"})
    assert inbox.files() == ["fines.csv", "processed/fines.csv", "processed/users.csv"]


@pytest.mark.parametrize("at", [1000, 1001])
def test_a_file_of_the_same_time_or_newer_is_loaded(inbox: SourceInbox, at: int) -> None:
    put_fines(inbox, "9", at=at, name="fines-2.csv")
    inbox.load(run_id="run 2")
    assert inbox.balances() == {"F1": "9.00"}


def test_kinds_of_rows_are_compared_each_with_their_own(inbox: SourceInbox) -> None:
    set_time(inbox.put("users.csv", USERS), 3000)
    inbox.load(run_id="run 2")
    put_fines(inbox, "9", at=2000, name="fines-2.csv")
    inbox.load(run_id="run 3")
    assert inbox.balances() == {"F1": "9.00"}


def test_a_newer_file_that_was_refused_makes_no_file_too_old(inbox: SourceInbox) -> None:
    set_time(inbox.put("fines-bad.csv", FINES_HEADING.replace("amount", "sum")), 3000)
    with pytest.raises(InputFileError, match="heading"):
        inbox.load(run_id="run 2")
    put_fines(inbox, "9", at=2000, name="fines-2.csv")
    inbox.load(run_id="run 3")
    assert inbox.balances() == {"F1": "9.00"}


def test_a_file_dated_in_the_future_makes_no_later_file_too_old(inbox: SourceInbox) -> None:
    put_fines(inbox, "9", at=1_000_000_000, name="fines-2.csv")
    inbox.load(run_id="run 2")
    (inbox.disk / "fines-3.csv").write_text(write_fines("7"), encoding="utf-8")
    inbox.load(run_id="run 3")
    assert inbox.balances() == {"F1": "7.00"}
    put_fines(inbox, "5", at=1001, name="fines-4.csv")
    with pytest.raises(InputFileError, match="fines-4"):
        inbox.load(run_id="run 4")


def put_old_fines_and_new_files(inbox: SourceInbox) -> None:
    """Puts an older file of fines, which forms a set with new users, and a new one with a fine of the new user."""
    put_fines(inbox, "9", at=10, name="fines-old.csv")
    set_time(inbox.put("users-2.csv", USERS + "eve,Ng,Eve,STUDENT,,\n"), 2000)
    set_time(inbox.put("fines-2.csv", write_fines("6", user="eve", first=2)), 2000)


def test_only_the_older_file_is_refused_and_the_others_of_its_set_are_loaded(inbox: SourceInbox) -> None:
    put_old_fines_and_new_files(inbox)
    with pytest.raises(InputFileError, match=r"Load 3 of the source LAW was refused.* fines-old\.csv: the file is of"):
        inbox.load(run_id="run 2")
    assert inbox.balances() == {"F1": "5.00", "F2": "6.00"}
    assert inbox.files() == [
        "failed/fines-old.csv",
        *(f"processed/{name}.csv" for name in ("fines-2", "fines", "users-2", "users")),
    ]
    with inbox.library.ledger.connect() as connection:
        loads = [(load.is_refused, [file["name"] for file in load.files]) for load in list_loads(connection, limit=3)]
    assert loads == [(False, ["fines-2.csv"]), (True, ["fines-old.csv"]), (False, ["users-2.csv"])]


def test_a_dry_run_refuses_only_the_older_file_too(inbox: SourceInbox) -> None:
    put_old_fines_and_new_files(inbox)
    with inbox.run() as run:
        previews = run.preview_sets(inbox.find_sets(is_last_check=True))
    assert [(list(files.values()), isinstance(found, OlderFileError)) for files, found in previews] == [
        (["users-2.csv"], False),
        (["fines-old.csv"], True),
        (["fines-2.csv"], False),
    ]


def test_a_killed_run_with_an_older_file_loads_nothing_twice_and_says_why_it_was_refused(
    source_inbox: SourceInbox,
) -> None:
    """The worker is killed before and after each request to the server; the task is repeated once."""
    inbox, kill_at = source_inbox, 0
    set_time(inbox.put("users.csv", USERS), 1000)
    put_fines(inbox, "5", at=1000)
    inbox.load()
    while True:
        night = f"night {kill_at}"
        for path in inbox.disk.rglob("*.csv"):
            path.unlink()
        set_time(inbox.put("users.csv", USERS), 2000 + kill_at)
        put_fines(inbox, "9", at=10 + kill_at)
        sets, switch = inbox.find_sets(is_last_check=True), KillSwitch(kill_at, after=kill_at % 2 == 1)
        try:
            with inbox.run(night, switch) as run, pytest.raises(InputFileError, match=r"fines\.csv"):
                run.load_sets(sets)
        except KilledError:
            with pytest.raises(InputFileError, match=r"fines\.csv"):
                inbox.load(sets, night)
        else:
            break
        with inbox.library.ledger.connect() as connection:
            loads = [load for load in list_loads(connection, limit=5) if load.run_id == night]
        assert [[file["name"] for file in load.files] for load in loads if not load.is_refused] == [["users.csv"]]
        assert inbox.balances() == {"F1": "5.00"}
        assert inbox.files() == ["failed/fines.csv", "processed/users.csv"]
        kill_at += 1
    assert kill_at > 10
