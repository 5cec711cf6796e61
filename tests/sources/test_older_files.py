"""An older file that is put back after a newer one was loaded asks a person: it would take newer changes back."""

import pytest

from bursar.errors import InputFileError
from bursar.sources.load_types import OlderFileError
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
