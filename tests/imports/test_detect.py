"""The files that are ready: stable ones, or those with a done file, and none with a fault."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bursar.imports.detect import select_ready_files
from bursar.remote_files.base import RemoteFile
from tests.support.fake_bursar import Payment
from tests.support.fixtures import make_profile
from tests.support.payment_inbox import PaymentInbox, xml
from tests.support.plurals import find_wrong_plurals

LONG_SINCE = "2026-01-01 00:00 UTC"


def test_a_file_is_ready_when_it_has_stayed_the_same_for_the_settling_time(inbox: PaymentInbox) -> None:
    inbox.put("payments.xml", b"<a/>")
    assert inbox.find_ready_files() == []
    assert inbox.find_ready_files() == []
    inbox.set_unchanged_since(datetime.now(UTC) - timedelta(seconds=58))
    assert inbox.find_ready_files() == []
    inbox.set_unchanged_since(datetime.now(UTC) - timedelta(seconds=60))
    assert inbox.find_ready_files() == ["payments.xml"]


def test_a_file_that_grows_while_the_sensor_looks_is_not_ready_until_it_has_settled(inbox: PaymentInbox) -> None:
    path = inbox.put("payments.xml", b"<a>")
    inbox.find_ready_files()
    for piece in (b"<b/>", b"</a>"):
        inbox.set_unchanged_since(LONG_SINCE)
        with path.open("ab") as file:
            file.write(piece)
        assert inbox.find_ready_files() == []
    inbox.set_unchanged_since(LONG_SINCE)
    assert inbox.find_ready_files() == ["payments.xml"]


def test_a_file_that_is_written_anew_in_the_same_size_has_to_settle_again(inbox: PaymentInbox) -> None:
    path = inbox.put("payments.xml", b"<a/>")
    inbox.find_ready_files()
    inbox.set_unchanged_since(LONG_SINCE)
    path.write_bytes(b"<b/>")
    os.utime(path, (time.time() + 5, time.time() + 5))
    assert inbox.find_ready_files() == []


def test_a_file_that_was_away_meanwhile_has_to_settle_again(inbox: PaymentInbox) -> None:
    path = inbox.put("payments.xml", b"<a/>")
    inbox.find_ready_files()
    inbox.set_unchanged_since(LONG_SINCE)
    aside = path.rename(inbox.remote.disk / "aside")
    assert inbox.find_ready_files() == []
    aside.rename(path)
    assert inbox.find_ready_files() == []


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_clocks_and_time_zones_play_no_part(inbox: PaymentInbox, zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither this machine's zone, nor a server whose clock is hours ahead or behind."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        for hours in (-8, 0, 8):
            path = inbox.put(f"payments {hours}.xml", b"<a/>")
            os.utime(path, (time.time() + hours * 3600,) * 2)
        assert inbox.find_ready_files() == []
        inbox.set_unchanged_since(datetime.now(UTC) - timedelta(seconds=59))
        assert inbox.find_ready_files() == []
        inbox.set_unchanged_since(datetime.now(UTC) - timedelta(seconds=61))
        assert inbox.find_ready_files() == ["payments -8.xml", "payments 0.xml", "payments 8.xml"]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_with_a_marker_only_the_marker_counts(inbox: PaymentInbox) -> None:
    inbox.change(done_file_suffix=".done")
    inbox.put("payments.xml", b"<a/>")
    inbox.find_ready_files()
    inbox.set_unchanged_since(LONG_SINCE)
    assert inbox.find_ready_files() == []
    inbox.put("payments.xml.done", b"")
    assert inbox.find_ready_files() == ["payments.xml"]


def test_older_files_come_first(inbox: PaymentInbox) -> None:
    for name, age in (("b.xml", 30), ("a.xml", 10), ("c.xml", 20)):
        os.utime(inbox.put(name, b"<a/>"), (time.time() - age,) * 2)
    inbox.find_ready_files()
    inbox.set_unchanged_since(LONG_SINCE)
    assert inbox.find_ready_files() == ["b.xml", "c.xml", "a.xml"]


@pytest.mark.parametrize(
    "name", ["payments.xml", "PAYMENTS.XML", "Zahlungen März.xml", "payments.xml.gz", "payments.zip", "-rf.xml"]
)
def test_a_file_of_the_pattern_is_taken(inbox: PaymentInbox, name: str) -> None:
    inbox.put(name, b"<a/>")
    inbox.find_ready_files()
    inbox.set_unchanged_since(LONG_SINCE)
    assert inbox.find_ready_files() == [name]


@pytest.mark.parametrize(
    "name",
    [".payments.xml", "payments.xml.part", "payments.xml.filepart", "payments.tmp", "payments.txt", "payments.xml~"],
)
def test_a_hidden_file_an_upload_under_way_and_another_kind_of_file_are_left_alone(
    inbox: PaymentInbox, name: str
) -> None:
    inbox.put(name, b"<a/>")
    inbox.find_ready_files()
    inbox.set_unchanged_since(LONG_SINCE)
    assert inbox.find_ready_files() == []


def test_a_folder_or_a_link_in_the_place_of_a_file_is_left_alone(inbox: PaymentInbox, tmp_path: Path) -> None:
    elsewhere = tmp_path / "passwd"
    elsewhere.write_bytes(b"<a/>")
    (inbox.disk / "folder.xml").mkdir()
    (inbox.disk / "link.xml").symlink_to(elsewhere)
    inbox.find_ready_files()
    inbox.set_unchanged_since(LONG_SINCE)
    assert inbox.find_ready_files() == []


@pytest.mark.parametrize(
    "name", ["../payments.xml", "in/payments.xml", "..\\payments.xml", "a\nb.xml", "a\x1b[2J.xml", "a\u202elmx.xml", ""]
)
def test_a_name_with_path_parts_or_control_characters_is_left_alone(
    inbox: PaymentInbox, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As only a hostile server lists it."""
    inbox.change(stable_for_seconds=0)
    entry = RemoteFile(name, 4, datetime.now(UTC), is_regular=True)
    assert select_ready_files(inbox.library.ledger, inbox.profile, [entry]) == []
    assert inbox.library.one("SELECT count(*) FROM observed_files") == 0
    assert not any(character in caplog.text for character in ("\x1b", "\u202e"))


def test_a_file_that_was_applied_and_lies_there_again_is_known(
    inbox: PaymentInbox, caplog: pytest.LogCaptureFixture
) -> None:
    path = inbox.put("payments.xml", xml(Payment("1", "5")))
    times = path.stat()
    assert inbox.import_file("payments.xml") == "processed/payments.xml"
    os.utime(inbox.put("payments.xml", xml(Payment("1", "5"))), (times.st_atime, times.st_mtime))
    inbox.find_ready_files()
    inbox.set_unchanged_since(LONG_SINCE)
    assert inbox.find_ready_files() == []
    assert "in the folder again with the same size and time" in caplog.text


def test_a_new_file_under_a_known_name_is_ready(inbox: PaymentInbox) -> None:
    inbox.put("payments.xml", xml(Payment("1", "5")))
    inbox.import_file("payments.xml")
    inbox.put("payments.xml", xml(Payment("1", "5"), Payment("2", "5")))
    inbox.find_ready_files()
    inbox.set_unchanged_since(LONG_SINCE)
    assert inbox.find_ready_files() == ["payments.xml"]


def test_profiles_look_for_themselves(inbox: PaymentInbox) -> None:
    inbox.put("payments.xml", b"<a/>")
    inbox.find_ready_files()
    inbox.set_unchanged_since(LONG_SINCE)
    inbox.profile = make_profile(code="STAFF")
    assert inbox.find_ready_files() == []
    inbox.profile = make_profile()
    assert inbox.find_ready_files() == ["payments.xml"]


def test_one_entry_of_each_kind_is_counted_in_the_singular(
    inbox: PaymentInbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="bursar")
    inbox.change(stable_for_seconds=0)
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    for name in ("1.xml", "notes.txt"):
        listing = iter([RemoteFile(name, 5, moment, is_regular=True)])
        select_ready_files(inbox.library.ledger, inbox.profile, listing, limit=2)
    assert (
        "Entries in the folder: 1 (ready 1, not stable 0, without a done file 0, applied before 0, others 0)."
        in caplog.text
    )
    assert find_wrong_plurals(caplog.text) == []


def test_of_many_files_those_that_were_changed_first_are_taken(
    inbox: PaymentInbox, caplog: pytest.LogCaptureFixture
) -> None:
    inbox.change(stable_for_seconds=0)
    listing = [
        RemoteFile(f"{number}.xml", 5, datetime(2026, 3, 1, tzinfo=UTC) - timedelta(days=number), is_regular=True)
        for number in range(9)
    ]
    assert select_ready_files(inbox.library.ledger, inbox.profile, iter(listing * 2), limit=2) == ["8.xml", "7.xml"]
    assert "9 files are ready. This run imports 2; the next run imports the others." in caplog.text
