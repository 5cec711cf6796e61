"""A file becomes records once; a hostile one becomes nothing, and leaves the ledger as it was."""

import gzip
import io
import os
import resource
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, cast

import pytest
from asyncssh import SFTPServer, SSHServerChannel
from sqlalchemy import text

from bursar import progress
from bursar.errors import InputFileError, RemoteFolderError, TransientError
from bursar.imports.load import load_file
from bursar.ledger.import_files import FileState
from bursar.remote_files.base import RemoteFolder
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fault_injection import InterruptedFolder, KilledError, KillSwitch
from tests.support.fixtures import Library, make_profile
from tests.support.payment_inbox import PaymentInbox, xml
from tests.support.servers import serve_ftp, serve_sftp

GOOD = xml(Payment("1", "5"))
DTD = b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'


def zipped(*names: str, content: bytes = GOOD) -> bytes:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return into.getvalue()


HOSTILE = {
    "an external entity": ("a.xml", b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + GOOD),
    "an entity bomb": ("a.xml", DTD + GOOD.replace(b">5<", b">&b;<")),
    "absurd depth": ("a.xml", GOOD.replace(b"</xb:userFineFee>", b"<a>" * 100_000)),
    "absurd text": ("a.xml", GOOD.replace(b">5<", b">" + b"5" * 1_000_000 + b"<")),
    "a wrong root": ("a.xml", b"<invoice><paid>5</paid></invoice>"),
    "a wrong namespace": ("a.xml", GOOD.replace(b"xmlbeans", b"xmlbeans2")),
    "a truncated file": ("a.xml", GOOD[:-40]),
    "an empty file": ("a.xml", b""),
    "a wrong encoding": ("a.xml", GOOD.replace(b">1<", b">\xe9<")),
    "an unknown encoding": ("a.xml", b'<?xml version="1.0" encoding="EBCDIC-CP-US"?>' + GOOD),
    "a bomb in gzip": ("a.xml.gz", gzip.compress(GOOD[:-30] + b" " * 60_000_000)),
    "a bomb in zip": ("a.zip", zipped("a.xml", content=GOOD[:-30] + b" " * 60_000_000)),
    "two members": ("a.zip", zipped("a.xml", "b.xml")),
    "no member": ("a.zip", zipped()),
    "a member with path parts": ("a.zip", zipped("../../a.xml")),
    "a truncated archive": ("a.xml.gz", gzip.compress(GOOD)[:-12]),
    "a list of another name": ("a.xml", GOOD.replace(b"finefeeList", b"paidList").replace(b"userFineFee>", b"paid>")),
    "records of another name": ("a.xml", GOOD.replace(b"userFineFee>", b"paidFine>")),
    "records without ids": ("a.xml", GOOD.replace(b"bursarTransactionId", b"transaction")),
    "records without sums": ("a.xml", GOOD.replace(b"xb:sum>", b"xb:amount>")),
    "a web page": ("a.xml", b"<html><body>Maintenance until 8</body></html>"),
    "a workbook": ("a.xml", zipped("[Content_Types].xml", "xl/workbook.xml")),
    "a PDF document": ("a.xml.gz", gzip.compress(b"%PDF-1.4")),
    "no list": ("a.xml", GOOD[: GOOD.index(b">") + 1] + b"</xb:xml-fragment>"),
    "another thing": ("a.zip", b"%PDF-1.4"),
}


@pytest.mark.parametrize(("name", "content"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_refused_and_the_ledger_is_as_before(
    inbox: PaymentInbox, office: FakeBursar, name: str, content: bytes
) -> None:
    office.exported("5.00")
    before = inbox.everything()
    inbox.put(name, content)
    with pytest.raises(InputFileError, match=name) as refusal:
        inbox.read(name)
    assert inbox.archive_file(name) == f"failed/{name}"
    assert inbox.everything() == before
    assert inbox.files() == {f"failed/{name}": content}
    assert list(inbox.staging.iterdir()) == []
    assert inbox.staging.stat().st_mode & 0o777 == 0o700
    assert inbox.library.one("SELECT rejection FROM import_files WHERE state = 'REJECTED'") == str(refusal.value)


@pytest.mark.parametrize("is_link", [False, True])
def test_a_folder_or_a_link_that_took_the_place_of_the_file_is_refused(
    inbox: PaymentInbox, tmp_path: Path, is_link: bool
) -> None:
    if is_link:
        (tmp_path / "secret.xml").write_bytes(GOOD)
        (inbox.disk / "a.xml").symlink_to(tmp_path / "secret.xml")
    else:
        (inbox.disk / "a.xml").mkdir()
    before = inbox.everything()
    with pytest.raises(RemoteFolderError, match="in place of the file"):
        inbox.read("a.xml")
    assert inbox.everything() == before
    assert inbox.library.one("SELECT count(*) FROM import_files") == 0


@pytest.mark.parametrize("name", ["../secret.xml", "/etc/passwd", "sub/a.xml"])
def test_a_name_with_path_parts_is_never_asked_for(inbox: PaymentInbox, name: str) -> None:
    (inbox.remote.disk / "secret.xml").write_bytes(GOOD)
    with pytest.raises((RemoteFolderError, TransientError)):
        inbox.read(name)
    assert inbox.library.one("SELECT count(*) FROM import_files") == 0


def test_a_file_of_records_without_ids_is_refused_with_what_was_expected_and_found(inbox: PaymentInbox) -> None:
    content = xml(Payment("1", "5"), Payment("2", "5"))
    inbox.put("a.xml", content.replace(b"bursarTransactionId", b"transaction"))
    with pytest.raises(
        InputFileError,
        match=r"a\.xml: no payment is recognised\. Expected: .* Found: 2 records, 0 with an id, 2 with a sum\. Ask",
    ):
        inbox.read("a.xml")
    assert inbox.library.one("SELECT count(*) FROM import_records") == 0


def test_one_record_with_an_id_among_others_makes_a_file_of_payments(inbox: PaymentInbox) -> None:
    inbox.put("a.xml", xml(Payment(None, "5"), Payment("2", "5"), Payment(None, "5")))
    assert inbox.read("a.xml").records == 3


def test_a_file_whose_list_is_empty_is_applied_as_nothing(inbox: PaymentInbox) -> None:
    inbox.put("a.xml", xml())
    assert inbox.bring_in("a.xml") == "processed/a.xml"
    assert inbox.library.one("SELECT records FROM import_files WHERE state = 'APPLIED'") == 0


def test_records_come_in_as_they_stand(inbox: PaymentInbox) -> None:
    inbox.put("a.xml", xml(Payment("007", "5.00"), Payment("A-8", "-3.250", "EUR"), Payment("9", "five", "XXX")))
    file = inbox.read("a.xml")
    assert (file.state, file.records, file.totals) == (
        FileState.READ,
        3,
        {"USD": Decimal("5.000"), "EUR": Decimal("-3.250")},
    )
    rows = inbox.everything()["import_records"]
    assert [row.split(",")[:4] + row.split(",")[5:7] for row in rows] == [
        [f"({file.id}", "1", "2", "007", "USD", "5.00"],
        [f"({file.id}", "2", "3", "A-8", "EUR", "-3.250"],
        [f"({file.id}", "3", "4", "9", "XXX", "five"],
    ]


@pytest.mark.parametrize("name", ["a.xml", "b.xml"])
def test_the_same_bytes_are_one_file_whatever_they_are_called(
    inbox: PaymentInbox, office: FakeBursar, name: str
) -> None:
    fine, transaction = office.exported("5.00")
    inbox.put("a.xml", xml(Payment(transaction, "2.00")))
    assert inbox.bring_in("a.xml") == "processed/a.xml"
    inbox.put(name, xml(Payment(transaction, "2.00")))
    before = inbox.everything()
    path = inbox.bring_in(name, "run 2")
    assert path == {"a.xml": "processed/2-a.xml", "b.xml": "processed/b.xml"}[name]
    assert inbox.everything() == before
    assert inbox.library.position(fine)[2] == 3


def test_the_same_bytes_in_another_profiles_folder_change_nothing(inbox: PaymentInbox, office: FakeBursar) -> None:
    _, transaction = office.exported("5.00")
    inbox.put("a.xml", xml(Payment(transaction, "2.00")))
    inbox.bring_in("a.xml")
    inbox.profile = make_profile(code="STAFF")
    inbox.put("a.xml", xml(Payment(transaction, "2.00")))
    before = inbox.everything()
    inbox.bring_in("a.xml")
    assert inbox.everything() == before


def test_a_refused_file_that_comes_again_is_refused_again(inbox: PaymentInbox) -> None:
    for run_id, path in (("run 1", "failed/a.xml"), ("run 2", "failed/2-a.xml")):
        inbox.put("a.xml", GOOD[:-1])
        with pytest.raises(InputFileError, match=r"a.xml:3: the file ends too early"):
            inbox.read("a.xml", run_id)
        assert inbox.archive_file("a.xml", run_id) == path


def test_a_good_file_in_the_place_of_a_refused_one_is_read_by_a_repeated_task(inbox: PaymentInbox) -> None:
    inbox.put("a.xml", GOOD[:-1])
    with pytest.raises(InputFileError):
        inbox.read("a.xml")
    inbox.put("a.xml", GOOD)
    assert inbox.read("a.xml").state is FileState.READ


def test_a_repeated_task_stays_with_what_it_read(inbox: PaymentInbox) -> None:
    inbox.put("a.xml", GOOD)
    first = inbox.read("a.xml")
    inbox.put("a.xml", xml(Payment("2", "7"), Payment("3", "7")))
    kill_switch = KillSwitch()
    assert inbox.read("a.xml", kill_switch=kill_switch) == first
    assert kill_switch.acts == []


def test_a_file_that_is_gone_is_waited_for(inbox: PaymentInbox) -> None:
    with pytest.raises(TransientError, match="any more, and has not been loaded"):
        inbox.read("a.xml")


def test_fetching_tells_how_far_it_is(
    inbox: PaymentInbox, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "INTERVAL_SECONDS", 0)
    content = xml(*[Payment(str(number), "5") for number in range(500)])
    inbox.put("a.xml", content)
    with caplog.at_level("INFO"):
        inbox.read("a.xml")
    lines = [record.getMessage() for record in caplog.records if "etch" in record.getMessage()]
    assert (
        lines[0]
        == f"Fetching a.xml ({len(content):,} bytes) from {inbox.remote.connection['conn_type']}://bursar.example.edu/in."
    )
    assert lines[-1].startswith("Fetched a.xml: 0.08 MB of 0.08 MB (")


def test_a_file_that_grows_while_it_is_read_is_not_used(inbox: PaymentInbox) -> None:
    path = inbox.put("a.xml", GOOD)

    class Growing:
        """The folder, whose file gets longer as soon as it has been read."""

        def __init__(self, folder: RemoteFolder) -> None:
            self.address, self.files = folder.address, folder.files
            self._folder = folder

        def read(self, name: str) -> Iterator[bytes]:
            yield from self._folder.read(name)
            with path.open("ab") as file:
                file.write(b"<!-- more -->")

    @contextmanager
    def opened() -> Iterator[RemoteFolder]:
        with inbox.folder() as folder:
            yield Growing(folder)  # type: ignore[misc]

    before = inbox.everything()
    with opened() as folder, pytest.raises(TransientError, match="still being written"):
        load_file(inbox.library.ledger, inbox.profile, "a.xml", run_id="run 1", folder=folder, work_dir=inbox.staging)
    assert inbox.everything() == before
    assert inbox.library.one("SELECT count(*) FROM import_files") == 0


class Mailbox(SFTPServer):
    """Removes a file when it is closed after it was read to its end."""

    def __init__(self, channel: SSHServerChannel[bytes], chroot: bytes) -> None:
        super().__init__(channel, chroot)
        self._at_end: set[object] = set()

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        block = cast("bytes", super().read(file_obj, offset, size))
        if len(block) < size:
            self._at_end.add(file_obj)
        return block

    def close(self, file_obj: object) -> None:
        super().close(file_obj)
        if file_obj in self._at_end:
            Path(os.fsdecode(cast("IO[bytes]", file_obj).name)).unlink()


@pytest.fixture(params=["sftp", "ftp"])
def mailbox(request: pytest.FixtureRequest, library: Library, tmp_path: Path) -> Iterator[PaymentInbox]:
    """The bursar's folder on a server from which each file can be read once."""
    ftp = serve_ftp(tmp_path, on_file_sent=lambda _, path: Path(path).unlink())
    with serve_sftp(tmp_path, Mailbox) if request.param == "sftp" else ftp as remote:
        yield PaymentInbox(library, remote, tmp_path / "staging")


def test_a_file_that_can_be_read_once_is_used(mailbox: PaymentInbox, office: FakeBursar) -> None:
    fine, transaction = office.exported("5.00")
    mailbox.put("a.xml", xml(Payment(transaction, "2.00"), *(Payment(f"x{number}", "1") for number in range(500))))
    assert mailbox.bring_in("a.xml") is None
    assert mailbox.files() == {}
    assert mailbox.library.position(fine)[2] == 3
    assert mailbox.read("a.xml").state is FileState.APPLIED
    assert mailbox.archive_file("a.xml") is None


READS = ["files", "read", "files", "commit", "commit"]


def test_the_acts_of_a_reading(mailbox: PaymentInbox) -> None:
    kill_switch = KillSwitch()
    mailbox.put("a.xml", GOOD)
    with kill_switch.at_commits(mailbox.library.ledger):
        mailbox.read("a.xml", kill_switch=kill_switch)
    assert kill_switch.acts == READS


@pytest.mark.parametrize(("dies_at", "after"), [(3, True), (4, False)])
def test_a_file_that_can_be_read_once_and_was_lost_is_a_matter_for_a_person(
    mailbox: PaymentInbox, dies_at: int, after: bool
) -> None:
    """The worker was killed between its registration and its records."""
    kill_switch = KillSwitch(dies_at, after)
    mailbox.put("a.xml", GOOD)
    with pytest.raises(KilledError), kill_switch.at_commits(mailbox.library.ledger):
        mailbox.read("a.xml", kill_switch=kill_switch)
    for _ in range(2):
        with pytest.raises(
            RemoteFolderError, match=r"a\.xml \(file 1, .* bytes\) is not in .*/in any more.*send the file"
        ):
            mailbox.read("a.xml")
    mailbox.put("a.xml", GOOD)
    assert mailbox.read("a.xml").state is FileState.READ


@pytest.mark.parametrize(("dies_at", "after"), [(2, True), (3, False)])
def test_a_file_that_was_lost_before_the_ledger_knew_it_is_named_too(
    mailbox: PaymentInbox, dies_at: int, after: bool
) -> None:
    kill_switch = KillSwitch(dies_at, after)
    mailbox.put("a.xml", GOOD)
    with pytest.raises(KilledError), kill_switch.at_commits(mailbox.library.ledger):
        mailbox.read("a.xml", kill_switch=kill_switch)
    with pytest.raises(
        TransientError, match=r"a\.xml is not in .*has not been loaded.* ask the bursar to send it again"
    ):
        mailbox.read("a.xml")


def test_a_repeated_try_waits_for_the_worker_that_took_the_file(mailbox: PaymentInbox) -> None:
    """That worker holds the file's row, and has not committed its records yet."""
    mailbox.put("a.xml", GOOD)
    kill_switch = KillSwitch(4)
    with pytest.raises(KilledError), kill_switch.at_commits(mailbox.library.ledger):
        mailbox.read("a.xml", kill_switch=kill_switch)
    with ThreadPoolExecutor(1) as worker:
        with mailbox.library.ledger.begin() as connection:
            connection.execute(text("SELECT FROM import_files FOR UPDATE"))
            repeated = worker.submit(mailbox.read, "a.xml")
            while not mailbox.library.one("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                time.sleep(0.01)
            connection.execute(text("UPDATE import_files SET read_at = now(), records = 1, totals = '{}'"))
        assert repeated.result(10).state is FileState.READ


def test_a_file_that_is_taken_away_before_all_of_it_came_is_not_used(inbox: PaymentInbox) -> None:
    path = inbox.put("a.xml", GOOD)

    class Shrinking(InterruptedFolder):
        """The file gets shorter before it is read, and is gone behind."""

        def act(self, name: str, does: Callable[..., Any], *arguments: Any) -> Any:
            if name == "read":
                path.write_bytes(GOOD[:-1])
                return self._unlink_behind(does(*arguments))
            return super().act(name, does, *arguments)

        def _unlink_behind(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
            yield from blocks
            path.unlink()

    with pytest.raises(TransientError, match=rf"{len(GOOD) - 1} of {len(GOOD)} bytes arrived"):
        inbox.read("a.xml", kill_switch=Shrinking())
    assert inbox.library.one("SELECT count(*) FROM import_files") == 0


@pytest.fixture(params=["sftp", "ftp"])
def any_inbox(request: pytest.FixtureRequest, library: Library, tmp_path: Path) -> PaymentInbox:
    """The bursar's folder, on a server of each kind."""
    return PaymentInbox(library, request.getfixturevalue(f"{request.param}_remote"), tmp_path / "staging")


@pytest.mark.parametrize("at", range(3))
@pytest.mark.parametrize("run_id", ["run 1", "run 2"])
def test_a_worker_whose_file_another_one_has_imported_succeeds(any_inbox: PaymentInbox, at: int, run_id: str) -> None:
    """The other one is of the same run, or of an earlier one, and Airflow gave up on it."""
    any_inbox.put("a.xml", GOOD)
    any_inbox.look()
    kill_switch = InterruptedFolder(at, happens=lambda: any_inbox.bring_in("a.xml", "run 1"))
    file = any_inbox.read("a.xml", run_id, kill_switch=kill_switch)
    assert (file.id, file.state) == (1, FileState.APPLIED)
    assert any_inbox.archive_file("a.xml", run_id) == "processed/a.xml"
    assert any_inbox.library.one("SELECT count(*) FROM file_arrivals WHERE archived_path = 'processed/a.xml'") == int(
        run_id[-1]
    )


@pytest.mark.parametrize("at", range(2))
@pytest.mark.parametrize("run_id", ["run 1", "run 2"])
def test_a_worker_whose_file_another_one_has_refused_says_why(any_inbox: PaymentInbox, at: int, run_id: str) -> None:
    any_inbox.put("a.xml", GOOD[:-1])
    any_inbox.look()

    def happens() -> None:
        with pytest.raises(InputFileError):
            any_inbox.read("a.xml", "run 1")
        any_inbox.archive_file("a.xml", "run 1")

    with pytest.raises(InputFileError, match=r"a\.xml:3: the file ends too early"):
        any_inbox.read("a.xml", run_id, kill_switch=InterruptedFolder(at, happens=happens))
    assert any_inbox.archive_file("a.xml", run_id) == "failed/a.xml"


def test_a_late_reader_does_not_take_back_what_the_run_has_read(inbox: PaymentInbox) -> None:
    """It had read an older file to its end when the bursar replaced that, and the run read the new one."""
    inbox.put("a.xml", GOOD)

    def happens() -> None:
        inbox.put("a.xml", xml(Payment("2", "7")))
        inbox.bring_in("a.xml")

    file = inbox.read("a.xml", kill_switch=InterruptedFolder(2, after=True, happens=happens))
    assert (file.size, file.state) == (len(xml(Payment("2", "7"))), FileState.APPLIED)
    assert inbox.library.one("SELECT archived_path FROM file_arrivals") == "processed/a.xml"


@contextmanager
def disk_full(bytes_left: int) -> Iterator[None]:
    """Files of this process can't get longer than so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [1_000_001, 1_500_000])
def test_a_full_disk_is_waited_for_and_named(inbox: PaymentInbox, size: int) -> None:
    """It is full in the middle of the file, or at its very last byte."""
    content = GOOD + b" " * (size - len(GOOD))
    inbox.put("a.xml", content)
    with (
        disk_full(1_000_000),
        pytest.raises(TransientError, match=rf"^{inbox.staging}/.*: the disk of this machine is full"),
    ):
        inbox.read("a.xml")
    assert list(inbox.staging.iterdir()) == []
    assert inbox.library.one("SELECT count(*) FROM import_files") == 0
