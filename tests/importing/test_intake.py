"""A file becomes records once; a hostile one becomes nothing, and leaves the ledger as it was."""

import gzip
import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bursar import progress
from bursar.errors import InputFileError, PassingError, RemoteFolderError
from bursar.exchange.folder import RemoteFolder
from bursar.importing.intake import read_file
from bursar.ledger.imports import FileState
from tests.inbox import Inbox, xml
from tests.library import a_profile
from tests.mortal import Death
from tests.office import Office, Payment

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
    "a wrong root": ("a.xml", b"<html><body>Maintenance until 8</body></html>"),
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
    "another thing": ("a.zip", b"%PDF-1.4"),
}


@pytest.mark.parametrize(("name", "content"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_refused_and_the_ledger_is_as_before(
    inbox: Inbox, office: Office, name: str, content: bytes
) -> None:
    office.exported("5.00")
    before = inbox.everything()
    inbox.put(name, content)
    with pytest.raises(InputFileError, match=name) as refusal:
        inbox.read(name)
    assert inbox.put_away(name) == f"failed/{name}"
    assert inbox.everything() == before
    assert inbox.files() == {f"failed/{name}": content}
    assert list(inbox.staging.iterdir()) == []
    assert inbox.staging.stat().st_mode & 0o777 == 0o700
    assert inbox.library.one("SELECT refusal FROM import_files WHERE state = 'REFUSED'") == str(refusal.value)


@pytest.mark.parametrize("is_link", [False, True])
def test_a_folder_or_a_link_that_took_the_place_of_the_file_is_refused(
    inbox: Inbox, tmp_path: Path, is_link: bool
) -> None:
    if is_link:
        (tmp_path / "secret.xml").write_bytes(GOOD)
        (inbox.disk / "a.xml").symlink_to(tmp_path / "secret.xml")
    else:
        (inbox.disk / "a.xml").mkdir()
    before = inbox.everything()
    with pytest.raises(RemoteFolderError, match="took the place of the file"):
        inbox.read("a.xml")
    assert inbox.everything() == before
    assert inbox.library.one("SELECT count(*) FROM import_files") == 0


@pytest.mark.parametrize("name", ["../secret.xml", "/etc/passwd", "sub/a.xml"])
def test_a_name_with_path_parts_is_never_asked_for(inbox: Inbox, name: str) -> None:
    (inbox.remote.disk / "secret.xml").write_bytes(GOOD)
    with pytest.raises((RemoteFolderError, PassingError)):
        inbox.read(name)
    assert inbox.library.one("SELECT count(*) FROM import_files") == 0


def test_records_come_in_as_they_stand(inbox: Inbox) -> None:
    inbox.put("a.xml", xml(Payment("007", "5.00"), Payment("A-8", "-3.250", "EUR"), Payment("9", "five", "XXX")))
    file = inbox.read("a.xml")
    assert (file.state, file.records, file.totals) == (FileState.READ, 3, {"USD": "5.000", "EUR": "-3.250"})
    rows = inbox.everything()["import_records"]
    assert [row.split(",")[:4] + row.split(",")[5:7] for row in rows] == [
        [f"({file.id}", "1", "2", "007", "USD", "5.00"],
        [f"({file.id}", "2", "3", "A-8", "EUR", "-3.250"],
        [f"({file.id}", "3", "4", "9", "XXX", "five"],
    ]


@pytest.mark.parametrize("name", ["a.xml", "b.xml"])
def test_the_same_bytes_are_one_file_whatever_they_are_called(inbox: Inbox, office: Office, name: str) -> None:
    fine, transaction = office.exported("5.00")
    inbox.put("a.xml", xml(Payment(transaction, "2.00")))
    assert inbox.bring_in("a.xml") == "processed/a.xml"
    inbox.put(name, xml(Payment(transaction, "2.00")))
    before = inbox.everything()
    path = inbox.bring_in(name, "run 2")
    assert path == {"a.xml": "processed/2-a.xml", "b.xml": "processed/b.xml"}[name]
    assert inbox.everything() == before
    assert inbox.library.position(fine)[2] == 3


def test_the_same_bytes_in_another_profiles_folder_change_nothing(inbox: Inbox, office: Office) -> None:
    _, transaction = office.exported("5.00")
    inbox.put("a.xml", xml(Payment(transaction, "2.00")))
    inbox.bring_in("a.xml")
    inbox.profile = a_profile(code="STAFF")
    inbox.put("a.xml", xml(Payment(transaction, "2.00")))
    before = inbox.everything()
    inbox.bring_in("a.xml")
    assert inbox.everything() == before


def test_a_refused_file_that_comes_again_is_refused_again(inbox: Inbox) -> None:
    for run, path in (("run 1", "failed/a.xml"), ("run 2", "failed/2-a.xml")):
        inbox.put("a.xml", GOOD[:-1])
        with pytest.raises(InputFileError, match=r"a.xml:3: the file ends too early"):
            inbox.read("a.xml", run)
        assert inbox.put_away("a.xml", run) == path


def test_a_good_file_in_the_place_of_a_refused_one_is_read_by_a_repeated_task(inbox: Inbox) -> None:
    inbox.put("a.xml", GOOD[:-1])
    with pytest.raises(InputFileError):
        inbox.read("a.xml")
    inbox.put("a.xml", GOOD)
    assert inbox.read("a.xml").state is FileState.READ


def test_a_repeated_task_stays_with_what_it_read(inbox: Inbox) -> None:
    inbox.put("a.xml", GOOD)
    first = inbox.read("a.xml")
    inbox.put("a.xml", xml(Payment("2", "7"), Payment("3", "7")))
    death = Death()
    assert inbox.read("a.xml", death=death) == first
    assert death.acts == []


def test_a_file_that_is_gone_is_waited_for(inbox: Inbox) -> None:
    with pytest.raises(PassingError, match="is not there any more"):
        inbox.read("a.xml")


def test_fetching_tells_how_far_it_is(
    inbox: Inbox, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "EVERY", 0)
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


def test_a_file_that_grows_while_it_is_read_is_not_used(inbox: Inbox) -> None:
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
    with opened() as folder, pytest.raises(PassingError, match="still being written"):
        read_file(inbox.library.ledger, inbox.profile, "a.xml", run="run 1", folder=folder, work_dir=inbox.staging)
    assert inbox.everything() == before
    assert inbox.library.one("SELECT count(*) FROM import_files") == 0
