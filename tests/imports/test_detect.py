"""Detecting payment files: files that are stable or have a done file are ready."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bursar.imports.detect import WatchedFolder, select_ready_files
from bursar.remote_files.base import RemoteFile
from tests.support.fake_bursar import Payment
from tests.support.fixtures import make_profile
from tests.support.payment_inbox import PaymentInbox, xml
from tests.support.plurals import find_wrong_plurals

LONG_AGO = "2026-01-01 00:00 UTC"


def test_a_file_is_ready_when_it_has_been_stable_for_long_enough(inbox: PaymentInbox) -> None:
    inbox.put("payments.xml", b"<a/>")
    assert inbox.find_ready_files() == []
    assert inbox.find_ready_files() == []
    inbox.set_unchanged_since(datetime.now(UTC) - timedelta(seconds=30))
    assert inbox.find_ready_files() == []
    inbox.set_unchanged_since(datetime.now(UTC) - timedelta(seconds=60))
    assert inbox.find_ready_files() == ["payments.xml"]


def test_a_growing_file_is_not_ready_until_it_is_stable(inbox: PaymentInbox) -> None:
    path = inbox.put("payments.xml", b"<a>")
    inbox.find_ready_files()
    for piece in (b"<b/>", b"</a>"):
        inbox.set_unchanged_since(LONG_AGO)
        with path.open("ab") as file:
            file.write(piece)
        assert inbox.find_ready_files() == []
    inbox.set_unchanged_since(LONG_AGO)
    assert inbox.find_ready_files() == ["payments.xml"]


def test_a_file_with_another_time_has_to_be_stable_again(inbox: PaymentInbox) -> None:
    path = inbox.put("payments.xml", b"<a/>")
    inbox.find_ready_files()
    inbox.set_unchanged_since(LONG_AGO)
    path.write_bytes(b"<b/>")
    os.utime(path, (time.time() + 5, time.time() + 5))
    assert inbox.find_ready_files() == []


def test_a_file_that_was_missing_once_has_to_be_stable_again(inbox: PaymentInbox) -> None:
    path = inbox.put("payments.xml", b"<a/>")
    inbox.find_ready_files()
    inbox.set_unchanged_since(LONG_AGO)
    aside = path.rename(inbox.remote.disk / "aside")
    assert inbox.find_ready_files() == []
    aside.rename(path)
    assert inbox.find_ready_files() == []


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_clocks_and_time_zones_of_the_machines_do_not_matter(
    inbox: PaymentInbox, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The result depends neither on this machine's time zone nor on the clock of the server."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        for hours in (-8, 0, 8):
            path = inbox.put(f"payments {hours}.xml", b"<a/>")
            os.utime(path, (time.time() + hours * 3600,) * 2)
        assert inbox.find_ready_files() == []
        inbox.set_unchanged_since(datetime.now(UTC) - timedelta(seconds=30))
        assert inbox.find_ready_files() == []
        inbox.set_unchanged_since(datetime.now(UTC) - timedelta(seconds=61))
        assert inbox.find_ready_files() == ["payments -8.xml", "payments 0.xml", "payments 8.xml"]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_file_with_a_done_file_suffix_is_ready_with_its_done_file(inbox: PaymentInbox) -> None:
    inbox.change(done_file_suffix=".done")
    inbox.put("payments.xml", b"<a/>")
    inbox.find_ready_files()
    inbox.set_unchanged_since(LONG_AGO)
    assert inbox.find_ready_files() == []
    inbox.put("payments.xml.done", b"")
    assert inbox.find_ready_files() == ["payments.xml"]


def test_ready_files_are_sorted_by_time(inbox: PaymentInbox) -> None:
    for name, age in (("b.xml", 30), ("a.xml", 10), ("c.xml", 20)):
        os.utime(inbox.put(name, b"<a/>"), (time.time() - age,) * 2)
    inbox.find_ready_files()
    inbox.set_unchanged_since(LONG_AGO)
    assert inbox.find_ready_files() == ["b.xml", "c.xml", "a.xml"]


@pytest.mark.parametrize(
    "name", ["payments.xml", "PAYMENTS.XML", "Zahlungen März.xml", "payments.xml.gz", "payments.zip", "-rf.xml"]
)
def test_a_file_with_a_matching_name_is_ready(inbox: PaymentInbox, name: str) -> None:
    inbox.put(name, b"<a/>")
    inbox.find_ready_files()
    inbox.set_unchanged_since(LONG_AGO)
    assert inbox.find_ready_files() == [name]


@pytest.mark.parametrize(
    "name",
    [".payments.xml", "payments.xml.part", "payments.xml.filepart", "payments.tmp", "payments.txt", "payments.xml~"],
)
def test_hidden_and_incomplete_files_and_files_of_other_types_are_not_ready(inbox: PaymentInbox, name: str) -> None:
    inbox.put(name, b"<a/>")
    inbox.find_ready_files()
    inbox.set_unchanged_since(LONG_AGO)
    assert inbox.find_ready_files() == []


def test_folders_and_links_are_not_ready(inbox: PaymentInbox, tmp_path: Path) -> None:
    elsewhere = tmp_path / "passwd"
    elsewhere.write_bytes(b"<a/>")
    (inbox.disk / "folder.xml").mkdir()
    (inbox.disk / "link.xml").symlink_to(elsewhere)
    inbox.find_ready_files()
    inbox.set_unchanged_since(LONG_AGO)
    assert inbox.find_ready_files() == []


@pytest.mark.parametrize(
    "name", ["../payments.xml", "in/payments.xml", "..\\payments.xml", "a\nb.xml", "a\x1b[2J.xml", "a\u202elmx.xml", ""]
)
def test_a_name_with_path_parts_or_control_characters_is_not_ready(
    inbox: PaymentInbox, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Only a hostile server lists such a name."""
    inbox.change(stable_for_seconds=0)
    entry = RemoteFile(name, 4, datetime.now(UTC), is_regular=True)
    assert select_ready_files(inbox.library.ledger, WatchedFolder.of_import(inbox.profile), [entry]) == []
    assert inbox.library.one("SELECT count(*) FROM observed_files") == 0
    assert not any(character in caplog.text for character in ("\x1b", "\u202e"))


def test_an_applied_file_in_the_folder_again_is_not_ready(
    inbox: PaymentInbox, caplog: pytest.LogCaptureFixture
) -> None:
    path = inbox.put("payments.xml", xml(Payment("1", "5")))
    times = path.stat()
    assert inbox.import_file("payments.xml") == "processed/payments.xml"
    os.utime(inbox.put("payments.xml", xml(Payment("1", "5"))), (times.st_atime, times.st_mtime))
    inbox.find_ready_files()
    inbox.set_unchanged_since(LONG_AGO)
    assert inbox.find_ready_files() == []
    assert "in the folder again with the same size and time" in caplog.text


def test_a_new_file_with_the_name_of_an_applied_one_is_ready(inbox: PaymentInbox) -> None:
    inbox.put("payments.xml", xml(Payment("1", "5")))
    inbox.import_file("payments.xml")
    inbox.put("payments.xml", xml(Payment("1", "5"), Payment("2", "5")))
    inbox.find_ready_files()
    inbox.set_unchanged_since(LONG_AGO)
    assert inbox.find_ready_files() == ["payments.xml"]


def test_each_profile_observes_files_separately(inbox: PaymentInbox) -> None:
    inbox.put("payments.xml", b"<a/>")
    inbox.find_ready_files()
    inbox.set_unchanged_since(LONG_AGO)
    inbox.profile = make_profile(code="STAFF")
    assert inbox.find_ready_files() == []
    inbox.profile = make_profile()
    assert inbox.find_ready_files() == ["payments.xml"]


def test_the_log_has_the_singular_for_one_entry(inbox: PaymentInbox, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="bursar")
    inbox.change(stable_for_seconds=0)
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    for name in ("1.xml", "notes.txt"):
        listing = iter([RemoteFile(name, 5, moment, is_regular=True)])
        select_ready_files(inbox.library.ledger, WatchedFolder.of_import(inbox.profile), listing, limit=2)
    assert (
        "Entries in the folder: 1 (ready 1, not stable 0, without a done file 0, loaded before 0, others 0)."
        in caplog.text
    )
    assert find_wrong_plurals(caplog.text) == []


def test_a_run_imports_the_oldest_files_up_to_its_limit(inbox: PaymentInbox, caplog: pytest.LogCaptureFixture) -> None:
    inbox.change(stable_for_seconds=0)
    listing = [
        RemoteFile(f"{number}.xml", 5, datetime(2026, 3, 1, tzinfo=UTC) - timedelta(days=number), is_regular=True)
        for number in range(9)
    ]
    assert select_ready_files(
        inbox.library.ledger, WatchedFolder.of_import(inbox.profile), iter(listing * 2), limit=2
    ) == ["8.xml", "7.xml"]
    assert "9 files are ready. This run loads 2; the next run loads the others." in caplog.text
