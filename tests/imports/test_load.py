"""Loading payment files: a file is loaded once, and an invalid or hostile one changes nothing in the ledger.

The module is long because it has the list of hostile files, and the servers that lose or change a file.
"""

import gzip
import io
import resource
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from bursar import progress
from bursar.errors import InputFileError, RemoteFolderError, TransientError
from bursar.imports.load import load_file
from bursar.ledger.import_files import FileState
from bursar.remote_files.base import RemoteFolder
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fault_injection import InterruptSwitch, KilledError, KillSwitch
from tests.support.fixtures import Library, make_profile
from tests.support.payment_inbox import PaymentInbox, xml

GOOD = xml(Payment("1", "5"))
DTD = b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'


def make_zip(*names: str, content: bytes = GOOD) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return file.getvalue()


HOSTILE = {
    "an external entity": ("a.xml", b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + GOOD),
    "an entity bomb": ("a.xml", DTD + GOOD.replace(b">5<", b">&b;<")),
    "elements too deep": ("a.xml", GOOD.replace(b"</xb:userFineFee>", b"<a>" * 100_000)),
    "text too long": ("a.xml", GOOD.replace(b">5<", b">" + b"5" * 1_000_000 + b"<")),
    "a wrong root": ("a.xml", b"<invoice><paid>5</paid></invoice>"),
    "a wrong namespace": ("a.xml", GOOD.replace(b"xmlbeans", b"xmlbeans2")),
    "a truncated file": ("a.xml", GOOD[:-40]),
    "an empty file": ("a.xml", b""),
    "a wrong encoding": ("a.xml", GOOD.replace(b">1<", b">\xe9<")),
    "an unknown encoding": ("a.xml", b'<?xml version="1.0" encoding="EBCDIC-CP-US"?>' + GOOD),
    "a bomb in gzip": ("a.xml.gz", gzip.compress(GOOD[:-30] + b" " * 60_000_000)),
    "a bomb in zip": ("a.zip", make_zip("a.xml", content=GOOD[:-30] + b" " * 60_000_000)),
    "two members": ("a.zip", make_zip("a.xml", "b.xml")),
    "no member": ("a.zip", make_zip()),
    "a member with path parts": ("a.zip", make_zip("../../a.xml")),
    "a truncated archive": ("a.xml.gz", gzip.compress(GOOD)[:-12]),
    "a list of another name": ("a.xml", GOOD.replace(b"finefeeList", b"paidList").replace(b"userFineFee>", b"paid>")),
    "records of another name": ("a.xml", GOOD.replace(b"userFineFee>", b"paidFine>")),
    "records without ids": ("a.xml", GOOD.replace(b"bursarTransactionId", b"transaction")),
    "records without sums": ("a.xml", GOOD.replace(b"xb:sum>", b"xb:amount>")),
    "a web page": ("a.xml", b"<html><body>Maintenance until 8</body></html>"),
    "a workbook": ("a.xml", make_zip("[Content_Types].xml", "xl/workbook.xml")),
    "a PDF in gzip": ("a.xml.gz", gzip.compress(b"%PDF-1.4")),
    "no list": ("a.xml", GOOD[: GOOD.index(b">") + 1] + b"</xb:xml-fragment>"),
    "a PDF": ("a.zip", b"%PDF-1.4"),
}


@pytest.mark.parametrize(("name", "content"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_rejected_and_changes_nothing(
    inbox: PaymentInbox, office: FakeBursar, name: str, content: bytes
) -> None:
    office.export_fine("5.00")
    before = inbox.read_ledger()
    inbox.put(name, content)
    with pytest.raises(InputFileError, match=name) as refusal:
        inbox.load_file(name)
    assert inbox.archive_file(name) == f"failed/{name}"
    assert inbox.read_ledger() == before
    assert inbox.files() == {f"failed/{name}": content}
    assert list(inbox.staging.iterdir()) == []
    assert inbox.staging.stat().st_mode & 0o777 == 0o700
    assert inbox.library.one("SELECT rejection FROM import_files WHERE state = 'REJECTED'") == str(refusal.value)


@pytest.mark.parametrize("is_link", [False, True])
def test_a_folder_or_a_link_in_place_of_the_file_is_an_error(
    inbox: PaymentInbox, tmp_path: Path, is_link: bool
) -> None:
    if is_link:
        (tmp_path / "secret.xml").write_bytes(GOOD)
        (inbox.disk / "a.xml").symlink_to(tmp_path / "secret.xml")
    else:
        (inbox.disk / "a.xml").mkdir()
    before = inbox.read_ledger()
    with pytest.raises(RemoteFolderError, match="in place of the file"):
        inbox.load_file("a.xml")
    assert inbox.read_ledger() == before
    assert inbox.library.one("SELECT count(*) FROM import_files") == 0


@pytest.mark.parametrize("name", ["../secret.xml", "/etc/passwd", "sub/a.xml"])
def test_a_name_with_path_parts_is_never_opened(inbox: PaymentInbox, name: str) -> None:
    (inbox.remote.disk / "secret.xml").write_bytes(GOOD)
    with pytest.raises((RemoteFolderError, TransientError)):
        inbox.load_file(name)
    assert inbox.library.one("SELECT count(*) FROM import_files") == 0


def test_a_file_whose_records_have_no_ids_is_rejected(inbox: PaymentInbox) -> None:
    content = xml(Payment("1", "5"), Payment("2", "5"))
    inbox.put("a.xml", content.replace(b"bursarTransactionId", b"transaction"))
    with pytest.raises(
        InputFileError,
        match=r"a\.xml: no payment is recognised\. Expected: .* Found: 2 records, 0 with an id, 2 with a sum\. Ask",
    ):
        inbox.load_file("a.xml")
    assert inbox.library.one("SELECT count(*) FROM import_records") == 0


def test_a_file_with_one_record_with_an_id_is_loaded(inbox: PaymentInbox) -> None:
    inbox.put("a.xml", xml(Payment(None, "5"), Payment("2", "5"), Payment(None, "5")))
    assert inbox.load_file("a.xml").records == 3


def test_a_file_without_records_is_applied(inbox: PaymentInbox) -> None:
    inbox.put("a.xml", xml())
    assert inbox.import_file("a.xml") == "processed/a.xml"
    assert inbox.library.one("SELECT records FROM import_files WHERE state = 'APPLIED'") == 0


def test_records_are_loaded_unchanged(inbox: PaymentInbox) -> None:
    inbox.put("a.xml", xml(Payment("007", "5.00"), Payment("A-8", "-3.250", "EUR"), Payment("9", "five", "XXX")))
    file = inbox.load_file("a.xml")
    assert (file.state, file.records, file.totals) == (
        FileState.READ,
        3,
        {"USD": Decimal("5.000"), "EUR": Decimal("-3.250")},
    )
    rows = inbox.read_ledger()["import_records"]
    assert [row.split(",")[:4] + row.split(",")[5:7] for row in rows] == [
        [f"({file.id}", "1", "2", "007", "USD", "5.00"],
        [f"({file.id}", "2", "3", "A-8", "EUR", "-3.250"],
        [f"({file.id}", "3", "4", "9", "XXX", "five"],
    ]


@pytest.mark.parametrize("name", ["a.xml", "b.xml"])
def test_the_same_bytes_are_imported_once_under_any_name(inbox: PaymentInbox, office: FakeBursar, name: str) -> None:
    fine, transaction = office.export_fine("5.00")
    inbox.put("a.xml", xml(Payment(transaction, "2.00")))
    assert inbox.import_file("a.xml") == "processed/a.xml"
    inbox.put(name, xml(Payment(transaction, "2.00")))
    before = inbox.read_ledger()
    path = inbox.import_file(name, "run 2")
    assert path == {"a.xml": "processed/2-a.xml", "b.xml": "processed/b.xml"}[name]
    assert inbox.read_ledger() == before
    assert inbox.library.position(fine)[2] == 3


def test_the_same_bytes_of_another_profile_change_nothing(inbox: PaymentInbox, office: FakeBursar) -> None:
    _, transaction = office.export_fine("5.00")
    inbox.put("a.xml", xml(Payment(transaction, "2.00")))
    inbox.import_file("a.xml")
    inbox.profile = make_profile(code="STAFF")
    inbox.put("a.xml", xml(Payment(transaction, "2.00")))
    before = inbox.read_ledger()
    inbox.import_file("a.xml")
    assert inbox.read_ledger() == before


def test_a_rejected_file_is_rejected_again(inbox: PaymentInbox) -> None:
    for run_id, path in (("run 1", "failed/a.xml"), ("run 2", "failed/2-a.xml")):
        inbox.put("a.xml", GOOD[:-1])
        with pytest.raises(InputFileError, match=r"a.xml:3: the file ends too early"):
            inbox.load_file("a.xml", run_id)
        assert inbox.archive_file("a.xml", run_id) == path


def test_a_repeated_task_loads_a_good_file_in_place_of_a_rejected_one(inbox: PaymentInbox) -> None:
    inbox.put("a.xml", GOOD[:-1])
    with pytest.raises(InputFileError):
        inbox.load_file("a.xml")
    inbox.put("a.xml", GOOD)
    assert inbox.load_file("a.xml").state is FileState.READ


def test_a_repeated_task_does_not_load_a_replaced_file(inbox: PaymentInbox) -> None:
    inbox.put("a.xml", GOOD)
    first = inbox.load_file("a.xml")
    inbox.put("a.xml", xml(Payment("2", "7"), Payment("3", "7")))
    kill_switch = KillSwitch()
    assert inbox.load_file("a.xml", kill_switch=kill_switch) == first
    assert kill_switch.acts == []


def test_a_missing_file_is_a_transient_error(inbox: PaymentInbox) -> None:
    with pytest.raises(TransientError, match="any more, and has not been loaded"):
        inbox.load_file("a.xml")


def test_a_download_logs_its_progress(
    inbox: PaymentInbox, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "INTERVAL_SECONDS", 0)
    content = xml(*[Payment(str(number), "5") for number in range(500)])
    inbox.put("a.xml", content)
    with caplog.at_level("INFO"):
        inbox.load_file("a.xml")
    lines = [record.getMessage() for record in caplog.records if "etch" in record.getMessage()]
    assert (
        lines[0]
        == f"Fetching a.xml ({len(content):,} bytes) from {inbox.remote.connection['conn_type']}://bursar.example.edu/in."
    )
    assert lines[-1].startswith("Fetched a.xml: 0.08 MB of 0.08 MB (")


def test_a_file_that_grows_during_the_download_is_not_loaded(inbox: PaymentInbox) -> None:
    path = inbox.put("a.xml", GOOD)

    class GrowingFile:
        """A folder whose file grows when it has been read."""

        def __init__(self, folder: RemoteFolder) -> None:
            self.address, self.files = folder.address, folder.files
            self._folder = folder

        def read(self, name: str) -> Iterator[bytes]:
            yield from self._folder.read(name)
            with path.open("ab") as file:
                file.write(b"<!-- more -->")

    @contextmanager
    def open_folder() -> Iterator[RemoteFolder]:
        with inbox.folder() as folder:
            yield GrowingFile(folder)  # type: ignore[misc]

    before = inbox.read_ledger()
    with open_folder() as folder, pytest.raises(TransientError, match="still being written"):
        load_file(inbox.library.ledger, inbox.profile, "a.xml", run_id="run 1", folder=folder, work_dir=inbox.staging)
    assert inbox.read_ledger() == before
    assert inbox.library.one("SELECT count(*) FROM import_files") == 0


def test_a_file_that_can_be_read_only_once_is_imported(mailbox: PaymentInbox, office: FakeBursar) -> None:
    fine, transaction = office.export_fine("5.00")
    mailbox.put("a.xml", xml(Payment(transaction, "2.00"), *(Payment(f"x{number}", "1") for number in range(500))))
    assert mailbox.import_file("a.xml") is None
    assert mailbox.files() == {}
    assert mailbox.library.position(fine)[2] == 3
    assert mailbox.load_file("a.xml").state is FileState.APPLIED
    assert mailbox.archive_file("a.xml") is None


LOADING = ["files", "read", "files", "commit", "commit"]


def test_loading_makes_these_calls(mailbox: PaymentInbox) -> None:
    kill_switch = KillSwitch()
    mailbox.put("a.xml", GOOD)
    with kill_switch.watch_commits(mailbox.library.ledger):
        mailbox.load_file("a.xml", kill_switch=kill_switch)
    assert kill_switch.acts == LOADING


def kill_while_loading(mailbox: PaymentInbox, kill_at: int, *, after: bool = False) -> None:
    """Writes a file and kills the worker that loads it at one of its calls, counted from 0."""
    kill_switch = KillSwitch(kill_at, after)
    mailbox.put("a.xml", GOOD)
    with pytest.raises(KilledError), kill_switch.watch_commits(mailbox.library.ledger):
        mailbox.load_file("a.xml", kill_switch=kill_switch)


@pytest.mark.parametrize(("kill_at", "after"), [(3, True), (4, False)])
def test_a_registered_file_that_was_lost_is_an_error_for_a_person(
    mailbox: PaymentInbox, kill_at: int, after: bool
) -> None:
    """The worker was killed after the file was registered and before its records were stored."""
    kill_while_loading(mailbox, kill_at, after=after)
    shutil.rmtree(mailbox.staging)  # the task is repeated on another machine
    for _ in range(2):
        with pytest.raises(
            RemoteFolderError, match=r"a\.xml \(file 1, .* bytes\) is not in .*/in any more.*send the file"
        ):
            mailbox.load_file("a.xml")
    mailbox.put("a.xml", GOOD)
    assert mailbox.load_file("a.xml").state is FileState.READ


@pytest.mark.parametrize(("kill_at", "after"), [(2, True), (3, False)])
def test_an_unregistered_file_that_was_lost_is_a_transient_error(
    mailbox: PaymentInbox, kill_at: int, after: bool
) -> None:
    kill_while_loading(mailbox, kill_at, after=after)
    shutil.rmtree(mailbox.staging)  # the task is repeated on another machine
    with pytest.raises(
        TransientError, match=r"a\.xml is not in .*has not been loaded.* ask the bursar to send it again"
    ):
        mailbox.load_file("a.xml")


def test_a_repeated_task_waits_for_the_worker_that_loads_the_file(mailbox: PaymentInbox) -> None:
    """The first worker has locked the file's row, and has not committed its records yet."""
    kill_while_loading(mailbox, 4)
    with ThreadPoolExecutor(1) as worker:
        with mailbox.library.ledger.begin() as connection:
            connection.execute(text("SELECT FROM import_files FOR UPDATE"))
            repeated = worker.submit(mailbox.load_file, "a.xml")
            while not mailbox.library.one("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                time.sleep(0.01)
            connection.execute(text("UPDATE import_files SET read_at = now(), records = 1, totals = '{}'"))
        assert repeated.result(10).state is FileState.READ


def test_a_file_that_shrinks_and_disappears_is_not_loaded(inbox: PaymentInbox) -> None:
    path = inbox.put("a.xml", GOOD)

    class ShrinkingFile(InterruptSwitch):
        """Shortens the file before it is read, and removes it afterwards."""

        def act(self, name: str, function: Callable[..., Any], *arguments: Any) -> Any:
            if name == "read":
                path.write_bytes(GOOD[:-1])
                return self._read_and_unlink(function(*arguments))
            return super().act(name, function, *arguments)

        def _read_and_unlink(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
            yield from blocks
            path.unlink()

    with pytest.raises(TransientError, match=rf"{len(GOOD) - 1} of {len(GOOD)} bytes arrived"):
        inbox.load_file("a.xml", kill_switch=ShrinkingFile())
    assert inbox.library.one("SELECT count(*) FROM import_files") == 0


@pytest.fixture(params=["sftp", "ftp"])
def any_inbox(request: pytest.FixtureRequest, library: Library, tmp_path: Path) -> PaymentInbox:
    """Runs a test with the bursar's folder on an SFTP and on an FTP server."""
    return PaymentInbox(library, request.getfixturevalue(f"{request.param}_remote"), tmp_path / "staging")


@pytest.mark.parametrize("at", range(3))
@pytest.mark.parametrize("run_id", ["run 1", "run 2"])
def test_a_late_worker_succeeds_if_another_one_has_imported_the_file(
    any_inbox: PaymentInbox, at: int, run_id: str
) -> None:
    """The other worker belongs to the same run, or to an earlier one on which Airflow gave up."""
    any_inbox.put("a.xml", GOOD)
    any_inbox.find_ready_files()
    kill_switch = InterruptSwitch(at, interrupt=lambda: any_inbox.import_file("a.xml", "run 1"))
    file = any_inbox.load_file("a.xml", run_id, kill_switch=kill_switch)
    assert (file.id, file.state) == (1, FileState.APPLIED)
    assert any_inbox.archive_file("a.xml", run_id) == "processed/a.xml"
    assert any_inbox.library.one("SELECT count(*) FROM file_arrivals WHERE archived_path = 'processed/a.xml'") == int(
        run_id[-1]
    )


@pytest.mark.parametrize("at", range(2))
@pytest.mark.parametrize("run_id", ["run 1", "run 2"])
def test_a_late_worker_reports_why_another_one_has_rejected_the_file(
    any_inbox: PaymentInbox, at: int, run_id: str
) -> None:
    any_inbox.put("a.xml", GOOD[:-1])
    any_inbox.find_ready_files()

    def interrupt() -> None:
        with pytest.raises(InputFileError):
            any_inbox.load_file("a.xml", "run 1")
        any_inbox.archive_file("a.xml", "run 1")

    with pytest.raises(InputFileError, match=r"a\.xml:3: the file ends too early"):
        any_inbox.load_file("a.xml", run_id, kill_switch=InterruptSwitch(at, interrupt=interrupt))
    assert any_inbox.archive_file("a.xml", run_id) == "failed/a.xml"


def test_a_late_worker_does_not_replace_the_file_that_its_run_has_loaded(inbox: PaymentInbox) -> None:
    """After the worker read an older file, the bursar replaced it, and another worker of the run loaded the new one."""
    inbox.put("a.xml", GOOD)

    def interrupt() -> None:
        inbox.put("a.xml", xml(Payment("2", "7")))
        inbox.import_file("a.xml")

    file = inbox.load_file("a.xml", kill_switch=InterruptSwitch(2, after=True, interrupt=interrupt))
    assert (file.size, file.state) == (len(xml(Payment("2", "7"))), FileState.APPLIED)
    assert inbox.library.one("SELECT archived_path FROM file_arrivals") == "processed/a.xml"


@contextmanager
def limit_file_size(size: int) -> Iterator[None]:
    """Limits the files of this process to so many bytes, which has the effect of a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [1_000_001, 1_500_000])
def test_a_full_disk_is_a_transient_error(inbox: PaymentInbox, size: int) -> None:
    """The disk is full in the middle of the file, or at its last byte."""
    content = GOOD + b" " * (size - len(GOOD))
    inbox.put("a.xml", content)
    with (
        limit_file_size(1_000_000),
        pytest.raises(TransientError, match=rf"^{inbox.staging}/.*: the disk of this machine is full"),
    ):
        inbox.load_file("a.xml")
    assert list(inbox.staging.iterdir()) == []
    assert inbox.library.one("SELECT count(*) FROM import_files") == 0
