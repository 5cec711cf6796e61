"""Entries that cannot be imported: each is skipped and named once, and the others are imported."""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from asyncssh import SFTPServer, SSHServerChannel
from asyncssh.sftp import SFTPAttrs, SFTPName

from bursar.reporting.build_report import build_import_report
from bursar.reporting.run_report import RunOutcome, RunReport
from tests.support.fake_bursar import Payment
from tests.support.fixtures import Library
from tests.support.payment_inbox import PaymentInbox, xml
from tests.support.servers import serve_ftp, serve_sftp

NOT_UTF8 = "its name is not valid UTF-8"
LONG = "its name has 8,000 characters, and at most 255 are possible"
HUGE = f"its size of {2**63:,} bytes is not possible"


class OddEntries(SFTPServer):
    """Lists entries that no file system has, too, with long names in another encoding."""

    async def scandir(self, path: bytes) -> Any:
        attrs = {"permissions": 0o100644, "atime": 0, "mtime": 1_700_000_000}
        for name, size in ((b"huge.xml", 2**63), (b"n" * 7_996 + b".xml", 5), (b"\xe9t\xe9.xml", 5)):
            yield SFTPName(name, b"-rw-r--r-- \xe9", SFTPAttrs(size=size, **attrs))
        yield SFTPName(b"no size.xml", b"\xe9", SFTPAttrs(**attrs))
        yield SFTPName(b"no mode.xml", b"\xe9", SFTPAttrs(size=5, atime=0, mtime=0))
        async for entry in super().scandir(path):
            entry.longname = b"-rw-r--r-- 1 b\xfcro \xff"
            yield entry


def list_odd_entries(handler: Any, _: str) -> None:
    """Answers MLSD with odd entries, and the file payments.xml."""
    time = "modify=20260301120000"
    size = Path(handler.fs.root, "in", "payments.xml").stat().st_size
    lines = [
        f"type=file;size={2**63};{time}; huge.xml".encode(),
        b"".join((f"type=file;size=5;{time}; ".encode(), b"n" * 7_996, b".xml")),
        b"".join((f"type=file;size=5;{time}; ".encode(), b"\xe9t\xe9.xml")),
        f"type=file;{time}; no size.xml".encode(),
        f"size=5;{time}; no mode.xml".encode(),
        b"nonsense",
        b"",
        f"type=file;size={size};{time}; payments.xml".encode(),
    ]
    handler.push_dtp_data(b"\r\n".join(lines) + b"\r\n", isproducer=False, cmd="MLSD")


@pytest.fixture(params=["sftp", "ftp"])
def odd(request: pytest.FixtureRequest, library: Library, tmp_path: Path) -> Iterator[PaymentInbox]:
    """A folder with odd entries beside payments.xml, on a server of each kind."""
    ftp = serve_ftp(tmp_path, ftp_MLSD=list_odd_entries)
    with serve_sftp(tmp_path, odd_entries) if request.param == "sftp" else ftp as remote:
        inbox = PaymentInbox(library, remote, tmp_path / "staging")
        inbox.change(stable_for_seconds=0)
        inbox.put("payments.xml", xml(Payment("1", "5")))
        yield inbox


def odd_entries(channel: SSHServerChannel[bytes], chroot: bytes) -> SFTPServer:
    return OddEntries(channel, chroot)


def report(inbox: PaymentInbox, run_id: str = "run 1") -> RunReport:
    started_at = datetime(2026, 3, 1, tzinfo=UTC)
    return build_import_report(
        inbox.library.ledger, inbox.profile.code, run_id=run_id, started_at=started_at, failed=()
    )


def test_odd_entries_are_skipped_and_the_others_are_imported(odd: PaymentInbox) -> None:
    assert odd.find_ready_files() == ["payments.xml"]
    odd.load_file("payments.xml")
    text = "\n".join(report(odd).messages)
    for reason, name in (
        (NOT_UTF8, r"\xe9t\xe9.xml"),
        (LONG, "n" * 80 + "…"),
        (HUGE, "huge.xml"),
        ("the server does not say its size", "no size.xml"),
        ("the server does not say whether it is a file", "no mode.xml"),
    ):
        assert f"Not imported, because {reason}: {name}." in text


def test_each_entry_is_named_once(inbox: PaymentInbox, caplog: pytest.LogCaptureFixture) -> None:
    (inbox.disk / "folder.xml").mkdir()
    inbox.find_ready_files()
    inbox.find_ready_files()
    first = report(inbox)
    (message,) = first.messages
    assert message == (
        "Not imported, because it is a folder, a link or the like, and no file: folder.xml. Ask the bursar to rename, "
        "replace or remove it. It is not named again."
    )
    assert first.outcome is RunOutcome.WITH_WARNINGS
    assert report(inbox).messages == first.messages  # a repeated task
    assert caplog.text.count("folder.xml is not taken") == 1
    inbox.find_ready_files()
    assert report(inbox, "run 2").messages == ()
    (inbox.disk / "folder.xml").rmdir()
    inbox.find_ready_files()
    (inbox.disk / "folder.xml").mkdir()
    inbox.find_ready_files()
    assert report(inbox, "run 3").messages == first.messages


def test_files_that_are_there_and_not_taken_are_named(inbox: PaymentInbox) -> None:
    inbox.change(done_file_suffix=".done", stable_for_seconds=0)
    for name in ("payments.xml", "payments.csv", "late.xml", "late.xml.done", ".hidden", "new.xml.part"):
        inbox.put(name, xml(Payment("1", "5")))
    (inbox.disk / "processed").mkdir()
    assert inbox.find_ready_files() == ["late.xml"]
    found = report(inbox)
    assert [message.partition(". ")[0] for message in found.messages] == [
        "Not imported, because its done file is missing: payments.xml",
        "Not imported, because its name matches no pattern of the profile: payments.csv",
    ]
    assert found.outcome is RunOutcome.WITH_WARNINGS


def test_files_of_others_are_no_warning_for_a_run_with_a_file(inbox: PaymentInbox) -> None:
    inbox.change(stable_for_seconds=0)
    inbox.put("payments.csv", b"1")
    inbox.put("payments.xml", xml(Payment("1", "5")))
    inbox.find_ready_files()
    inbox.import_file("payments.xml")
    found = report(inbox)
    assert "payments.csv" in found.messages[-1]
    (inbox.disk / "payments.csv").unlink()
    inbox.put("payments 2.xml", xml(Payment("1", "5"), Payment("1", "6")))
    inbox.find_ready_files()
    inbox.import_file("payments 2.xml", "run 2")
    assert found.outcome is report(inbox, "run 2").outcome


@pytest.mark.parametrize("count", [40])
def test_many_names_are_shortened(inbox: PaymentInbox, count: int) -> None:
    for number in range(count):
        inbox.put(f"{number:02}.csv", b"1")
    inbox.find_ready_files()
    (message,) = report(inbox).messages
    assert "00.csv, 01.csv, " in message
    assert "09.csv and 30 more. " in message


@pytest.mark.parametrize("change", [None, "content", "time"])
def test_a_file_that_stays_after_its_import_is_fetched_again_if_it_has_changed(
    inbox: PaymentInbox, change: str | None
) -> None:
    inbox.change(after_import="leave", stable_for_seconds=0)
    path = inbox.put("payments.xml", xml(Payment("1", "5")))
    assert inbox.find_ready_files() == ["payments.xml"]
    assert inbox.import_file("payments.xml") is None
    assert list(inbox.files()) == ["payments.xml"]
    changes: dict[str | None, Callable[[], object]] = {
        None: lambda: None,
        "content": lambda: inbox.put("payments.xml", xml(Payment("1", "5"), Payment("2", "5"))),
        "time": lambda: os.utime(inbox.put("payments.xml", xml(Payment("1", "6"))), (path.stat().st_mtime + 9,) * 2),
    }
    changes[change]()
    assert inbox.find_ready_files() == (["payments.xml"] if change else [])
    if change:
        assert inbox.load_file("payments.xml", "run 2").id > 1


def test_a_rejected_file_that_stays_is_not_rejected_each_night(
    inbox: PaymentInbox, caplog: pytest.LogCaptureFixture
) -> None:
    inbox.change(after_import="leave", stable_for_seconds=0)
    inbox.put("payments.xml", b"<html/>")
    assert inbox.find_ready_files() == ["payments.xml"]
    with pytest.raises(Exception, match="payments.xml"):
        inbox.load_file("payments.xml")
    assert inbox.archive_file("payments.xml") is None
    assert inbox.find_ready_files() == []
    assert "Have them removed" not in caplog.text
    assert list(inbox.files()) == ["payments.xml"]
