"""A file leaves the bursar's folder once, and never over another."""

import os
import time

import pytest

from bursar.errors import InputFileError
from tests.inbox import Inbox, xml
from tests.office import Payment

CONTENT = xml(Payment("1", "5"))


def test_an_applied_file_goes_to_processed_and_a_refused_one_to_failed(inbox: Inbox) -> None:
    inbox.put("good.xml", CONTENT)
    inbox.put("bad.xml", b"<a/>")
    assert inbox.bring_in("good.xml") == "processed/good.xml"
    with pytest.raises(InputFileError):
        inbox.read("bad.xml")
    assert inbox.put_away("bad.xml") == "failed/bad.xml"
    assert inbox.files() == {"processed/good.xml": CONTENT, "failed/bad.xml": b"<a/>"}


def test_an_older_file_is_never_overwritten(inbox: Inbox) -> None:
    (inbox.disk / "processed").mkdir()
    inbox.put("processed/a.xml", b"older")
    inbox.put("a.xml", CONTENT)
    assert inbox.bring_in("a.xml") == "processed/1-a.xml"
    assert inbox.files() == {"processed/a.xml": b"older", "processed/1-a.xml": CONTENT}


def test_the_marker_goes_along(inbox: Inbox) -> None:
    inbox.change(marker=".done")
    inbox.put("a.xml", CONTENT)
    inbox.put("a.xml.done", b"")
    inbox.bring_in("a.xml")
    assert list(inbox.files()) == ["processed/a.xml", "processed/a.xml.done"]


def test_a_file_that_was_replaced_meanwhile_stays_for_the_next_run(inbox: Inbox) -> None:
    inbox.change(marker=".done")
    inbox.put("a.xml", CONTENT)
    inbox.put("a.xml.done", b"")
    inbox.read("a.xml")
    newer = inbox.put("a.xml", CONTENT + b" ")
    os.utime(newer, (time.time() + 5,) * 2)
    assert inbox.bring_in("a.xml") is None
    assert list(inbox.files()) == ["a.xml", "a.xml.done"]


def test_a_file_that_somebody_took_is_recorded_as_gone(inbox: Inbox) -> None:
    path = inbox.put("a.xml", CONTENT)
    inbox.read("a.xml")
    path.unlink()
    assert inbox.bring_in("a.xml") is None
    assert inbox.library.one("SELECT put_away_at IS NOT NULL AND put_away_to IS NULL FROM arrivals")


def test_a_file_that_is_neither_applied_nor_refused_stays(inbox: Inbox) -> None:
    inbox.put("a.xml", CONTENT)
    for state in ("not read", "READ"):
        with pytest.raises(InputFileError, match=f"is {state} and stays where it is"):
            inbox.put_away("a.xml")
        inbox.read("a.xml")
    assert list(inbox.files()) == ["a.xml"]
