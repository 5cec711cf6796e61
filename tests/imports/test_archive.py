"""Archiving payment files: each file is moved once, and never replaces another.

The module is long because a late worker is interrupted at every call of archiving.
"""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from asyncssh import SFTPServer

from bursar.errors import InputFileError, RemoteFolderError
from bursar.imports.apply import apply_payments
from bursar.reporting.build_report import build_import_report
from tests.support.fake_bursar import Payment
from tests.support.fault_injection import InterruptSwitch, KilledError, KillSwitch
from tests.support.fixtures import Library
from tests.support.payment_inbox import PaymentInbox, xml
from tests.support.servers import Faults

CONTENT = xml(Payment("1", "5"))


def test_an_applied_file_is_moved_to_processed_and_a_rejected_one_to_failed(inbox: PaymentInbox) -> None:
    inbox.put("good.xml", CONTENT)
    inbox.put("bad.xml", b"<a/>")
    assert inbox.import_file("good.xml") == "processed/good.xml"
    with pytest.raises(InputFileError):
        inbox.load_file("bad.xml")
    assert inbox.archive_file("bad.xml") == "failed/bad.xml"
    assert inbox.files() == {"processed/good.xml": CONTENT, "failed/bad.xml": b"<a/>"}


def test_an_earlier_file_is_never_overwritten(inbox: PaymentInbox) -> None:
    (inbox.disk / "processed").mkdir()
    inbox.put("processed/a.xml", b"older")
    inbox.put("a.xml", CONTENT)
    assert inbox.import_file("a.xml") == "processed/1-a.xml"
    assert inbox.files() == {"processed/a.xml": b"older", "processed/1-a.xml": CONTENT}


def test_the_done_file_is_moved_too(inbox: PaymentInbox) -> None:
    inbox.change(done_file_suffix=".done")
    inbox.put("a.xml", CONTENT)
    inbox.put("a.xml.done", b"")
    inbox.import_file("a.xml")
    assert list(inbox.files()) == ["processed/a.xml", "processed/a.xml.done"]


def test_a_file_that_replaced_the_loaded_one_is_not_moved(inbox: PaymentInbox) -> None:
    inbox.change(done_file_suffix=".done")
    inbox.put("a.xml", CONTENT)
    inbox.put("a.xml.done", b"")
    inbox.load_file("a.xml")
    newer = inbox.put("a.xml", CONTENT + b" ")
    os.utime(newer, (time.time() + 5,) * 2)
    assert inbox.import_file("a.xml") is None
    assert list(inbox.files()) == ["a.xml", "a.xml.done"]


def test_a_missing_file_is_recorded_as_archived_without_a_path(inbox: PaymentInbox) -> None:
    path = inbox.put("a.xml", CONTENT)
    inbox.load_file("a.xml")
    path.unlink()
    assert inbox.import_file("a.xml") is None
    assert inbox.library.one("SELECT archived_at IS NOT NULL AND archived_path IS NULL FROM file_arrivals")


def test_a_file_that_is_neither_applied_nor_rejected_is_not_moved(inbox: PaymentInbox) -> None:
    inbox.put("a.xml", CONTENT)
    for state in ("not loaded", "READ"):
        with pytest.raises(InputFileError, match=f"is {state} and stays where it is"):
            inbox.archive_file("a.xml")
        inbox.load_file("a.xml")
    assert list(inbox.files()) == ["a.xml"]


OTHER = CONTENT.replace(b">5<", b">7<")
"""Another file of the same size."""
ACTS = ["files", "create_folder", "entry", "entry", "move", "entry"]
MOVE = ACTS.index("move")
LATER = 5
"""Seconds between two files."""


@pytest.fixture(params=["sftp", "ftp"])
def any_inbox(request: pytest.FixtureRequest, library: Library, tmp_path: Path) -> PaymentInbox:
    """Runs a test with the bursar's folder on an SFTP and on an FTP server."""
    return PaymentInbox(library, request.getfixturevalue(f"{request.param}_remote"), tmp_path / "staging")


def apply_file(inbox: PaymentInbox, name: str = "a.xml") -> Path:
    """Writes a file, loads and applies it; returns its path."""
    path = inbox.put(name, CONTENT)
    apply_payments(inbox.library.ledger, inbox.load_file(name).id, run_id="run 1")
    return path


def replace_file(inbox: PaymentInbox, content: bytes = OTHER, name: str = "a.xml", later: int = LATER) -> None:
    """Writes a new file of the bursar under the name, in one step."""
    draft = inbox.put(".draft", content)
    os.utime(draft, (int(time.time()) + later,) * 2)
    draft.rename(inbox.disk / name)


def get_warning(inbox: PaymentInbox) -> str:
    """Returns the run report's warning about archiving, without that about the record that matches no fine."""
    report = build_import_report(
        inbox.library.ledger, "STUDENTS", run_id="run 1", started_at=datetime.now(UTC), failed=[]
    )
    return " ".join(message for message in report.messages if "no exported fine has" not in message)


def test_archiving_makes_these_calls(any_inbox: PaymentInbox) -> None:
    """The next tests interrupt a worker at each of these calls."""
    apply_file(any_inbox)
    kill_switch = KillSwitch()
    assert any_inbox.archive_file("a.xml", kill_switch=kill_switch) == "processed/a.xml"
    assert kill_switch.acts == ACTS
    assert get_warning(any_inbox) == ""


MOMENTS = [(at, after) for at in range(len(ACTS)) for after in (False, True)]
AROUND_THE_MOVE = [("ftp", at, after) for at, after in MOMENTS[2 * MOVE - 1 : 2 * MOVE + 3]]


@pytest.mark.parametrize(
    ("any_inbox", "at", "after"),
    [*(("sftp", *moment) for moment in MOMENTS), *AROUND_THE_MOVE],
    indirect=["any_inbox"],
)
def test_a_late_worker_does_not_move_a_new_file_of_the_same_name(any_inbox: PaymentInbox, at: int, after: bool) -> None:
    """While the worker was stopped, another one archived the file, and a new file arrived that is not loaded."""
    apply_file(any_inbox)

    def interrupt() -> None:
        assert any_inbox.archive_file("a.xml") == "processed/a.xml"
        replace_file(any_inbox)

    assert (
        any_inbox.archive_file("a.xml", kill_switch=InterruptSwitch(at, after, interrupt=interrupt))
        == "processed/a.xml"
    )
    assert any_inbox.files() == {"a.xml": OTHER, "processed/a.xml": CONTENT}
    assert any_inbox.library.one("SELECT archived_path FROM file_arrivals") == "processed/a.xml"
    assert get_warning(any_inbox) == ""


@pytest.mark.parametrize(
    ("any_inbox", "at", "after"),
    [*(("sftp", at, False) for at in range(len(ACTS))), ("sftp", len(ACTS) - 1, True), *AROUND_THE_MOVE],
    indirect=["any_inbox"],
)
def test_simultaneous_workers_archive_a_file_once(any_inbox: PaymentInbox, at: int, after: bool) -> None:
    apply_file(any_inbox)

    def interrupt() -> None:
        assert any_inbox.archive_file("a.xml") == "processed/a.xml"

    assert (
        any_inbox.archive_file("a.xml", kill_switch=InterruptSwitch(at, after, interrupt=interrupt))
        == "processed/a.xml"
    )
    assert any_inbox.files() == {"processed/a.xml": CONTENT}


@pytest.mark.parametrize("at", range(MOVE + 1))
def test_a_file_that_replaced_the_applied_one_is_moved_back(any_inbox: PaymentInbox, at: int) -> None:
    apply_file(any_inbox)
    kill_switch = InterruptSwitch(at, interrupt=lambda: replace_file(any_inbox))
    assert any_inbox.archive_file("a.xml", kill_switch=kill_switch) is None
    assert any_inbox.files() == {"a.xml": OTHER}
    moved = at == MOVE
    assert kill_switch.acts.count("move") == (2 if moved else 0)
    assert get_warning(any_inbox).startswith("a.xml in ") == moved
    assert ("has been moved back, and the next run loads it" in get_warning(any_inbox)) == moved
    any_inbox.find_ready_files()
    any_inbox.set_unchanged_since("2020-01-01")
    assert any_inbox.find_ready_files() == ["a.xml"]


def test_the_error_names_a_file_that_cannot_be_moved_back(any_inbox: PaymentInbox) -> None:
    apply_file(any_inbox)

    class ReplaceTwice(InterruptSwitch):
        """Replaces the file before the rename, and again after it."""

        def act(self, name: str, function: Callable[..., Any], *arguments: Any) -> Any:
            result = super().act(name, function, *arguments)
            if len(self.acts) - 1 == MOVE:
                replace_file(any_inbox, b"third", later=2 * LATER)
            return result

    with pytest.raises(RemoteFolderError, match=r"processed/a\.xml has not been loaded.*there already"):
        any_inbox.archive_file("a.xml", kill_switch=ReplaceTwice(MOVE, interrupt=lambda: replace_file(any_inbox)))
    assert any_inbox.files() == {"a.xml": b"third", "processed/a.xml": OTHER}
    assert any_inbox.archive_file("a.xml") is None
    assert "processed/a.xml in " in get_warning(any_inbox)
    assert "the ledger does not know it" in get_warning(any_inbox)


def test_a_connection_lost_before_a_file_is_moved_back_is_an_error(inbox: PaymentInbox, faults: Faults) -> None:
    apply_file(inbox)
    faults.drop("rename", skip=1)
    with pytest.raises(RemoteFolderError, match=r"processed/a\.xml has not been loaded"):
        inbox.archive_file("a.xml", kill_switch=InterruptSwitch(MOVE, interrupt=lambda: replace_file(inbox)))
    assert inbox.files() == {"processed/a.xml": OTHER}


def test_a_new_file_with_the_size_and_time_of_the_archived_one_is_not_moved(any_inbox: PaymentInbox) -> None:
    """A worker moved the file and was killed; then the bursar wrote a file of the same size and time."""
    path = apply_file(any_inbox)
    times = (path.stat().st_mtime,) * 2
    with pytest.raises(KilledError):
        any_inbox.archive_file("a.xml", kill_switch=KillSwitch(MOVE, after=True))
    os.utime(any_inbox.put("a.xml", OTHER), times)
    assert any_inbox.archive_file("a.xml") == "processed/a.xml"
    assert any_inbox.files() == {"a.xml": OTHER, "processed/a.xml": CONTENT}
    assert get_warning(any_inbox).startswith("a.xml stays in ")


def test_an_archived_earlier_arrival_is_not_mistaken_for_this_one(any_inbox: PaymentInbox) -> None:
    path = apply_file(any_inbox)
    times = (path.stat().st_mtime,) * 2
    any_inbox.archive_file("a.xml")
    os.utime(any_inbox.put("a.xml", CONTENT), times)
    assert any_inbox.import_file("a.xml", "run 2") == "processed/2-a.xml"
    assert any_inbox.archive_file("a.xml", "run 2") == "processed/2-a.xml"
    assert sorted(any_inbox.files()) == ["processed/2-a.xml", "processed/a.xml"]


def test_a_repeated_task_finds_the_file_that_the_killed_one_moved(any_inbox: PaymentInbox) -> None:
    (any_inbox.disk / "processed").mkdir()
    any_inbox.put("processed/a.xml", b"older")
    apply_file(any_inbox)
    with pytest.raises(KilledError):
        any_inbox.archive_file("a.xml", kill_switch=KillSwitch(MOVE + 1, after=True))
    assert any_inbox.archive_file("a.xml") == "processed/1-a.xml"


def test_a_file_without_a_time_is_not_moved_and_the_report_names_it(any_inbox: PaymentInbox) -> None:
    os.utime(any_inbox.put("a.xml", CONTENT), (0, 0))
    assert any_inbox.import_file("a.xml") is None
    assert list(any_inbox.files()) == ["a.xml"]
    assert get_warning(any_inbox).startswith("a.xml stays in ")
    assert "the server lists no times" in get_warning(any_inbox)


@pytest.mark.parametrize("content", [CONTENT, OTHER])
def test_a_file_with_a_new_time_after_the_rename_is_compared_by_its_bytes(
    inbox: PaymentInbox, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    original = SFTPServer.rename

    def rename(server: SFTPServer, old: bytes, new: bytes) -> None:
        original(server, old, new)
        os.utime(server.map_path(new), (time.time() + 60,) * 2)

    monkeypatch.setattr(SFTPServer, "rename", rename)
    apply_file(inbox)
    path = inbox.archive_file(
        "a.xml", kill_switch=InterruptSwitch(MOVE, interrupt=lambda: replace_file(inbox, content))
    )
    assert inbox.files() == {"processed/a.xml" if content == CONTENT else "a.xml": content}
    assert path == ("processed/a.xml" if content == CONTENT else None)


def test_the_done_file_of_a_new_file_is_not_moved(any_inbox: PaymentInbox) -> None:
    """Without its done file the new file would never be imported."""
    any_inbox.change(done_file_suffix=".done")
    acts = [*ACTS, "entry", "create_folder", "entry", "entry", "move", "entry"]
    for at in range(MOVE + 1, len(acts)):
        run_id = f"run {at}"
        any_inbox.put("a.xml", CONTENT)
        any_inbox.put("a.xml.done", b"")
        apply_payments(any_inbox.library.ledger, any_inbox.load_file("a.xml", run_id).id, run_id=run_id)

        def interrupt() -> None:
            replace_file(any_inbox)
            replace_file(any_inbox, b"", "a.xml.done")

        any_inbox.archive_file("a.xml", run_id, kill_switch=InterruptSwitch(at, interrupt=interrupt))
        files = any_inbox.files()
        assert (files["a.xml"], files["a.xml.done"]) == (OTHER, b""), acts[at]


def test_a_late_worker_does_not_record_a_later_file_as_archived(inbox: PaymentInbox) -> None:
    """A rejected file was replaced and the task repeated, before the first worker makes its last call."""
    inbox.put("a.xml", b"<a/>")
    with pytest.raises(InputFileError):
        inbox.load_file("a.xml")

    def interrupt() -> None:
        inbox.archive_file("a.xml")
        replace_file(inbox, CONTENT)
        inbox.load_file("a.xml")

    inbox.archive_file("a.xml", kill_switch=InterruptSwitch(len(ACTS) - 1, after=True, interrupt=interrupt))
    assert inbox.library.one("SELECT archived_at FROM file_arrivals") is None
    assert inbox.import_file("a.xml") == "processed/a.xml"
