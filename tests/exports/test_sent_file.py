"""Compressed and encrypted files: one complete file arrives, its recorded checksum is that of its bytes."""

import gzip
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from bursar.errors import BursarError
from bursar.exports.build import build_file, build_files
from bursar.exports.close import close_fines
from bursar.exports.repeat import repeat_upload
from bursar.exports.resend import resend_batch
from bursar.exports.selection import select_fines
from bursar.exports.sent_file import get_name_of_content
from bursar.exports.upload import OpenFolder, confirm_delivered, upload_file
from bursar.layouts.layout import Layout
from bursar.ledger.batches import Batch, BatchState, get_batch
from bursar.profiles.upload import UploadSettings
from bursar.profiles.xml_form import XmlForm
from bursar.remote_files.base import RemoteFolder
from bursar.remote_files.pgp_key import PgpKey
from demo.postgres import Postgres
from tests.exports.test_upload_protocol import Stalled, end_dag_sessions
from tests.support.export_server import ExportServer, get_state
from tests.support.fault_injection import KillableFolder, KilledError, KillSwitch
from tests.support.fixtures import NOW, Library, make_profile, make_settings
from tests.support.pgp import PgpReceiver
from tests.support.several_files import APART, DONE_FILE, add_both_sides, is_each_exported_once, select_apart

Write = Callable[[str], Layout]
ONE_FILE = (
    'kind: delimited\nrecords: [{each: fine, columns: [{value: "{transaction_id}"}, {value: "{amount:0.00}"}]}]\n'
)
ENCRYPT = "encrypt: pgp\n"
COMPRESS = "compress: gzip\n"


@pytest.fixture(scope="module")
def receiver() -> Iterator[PgpReceiver]:
    with TemporaryDirectory(prefix="pgp-", dir="/tmp") as folder:
        yield PgpReceiver.create(Path(folder, "keys"))


@pytest.fixture(scope="module")
def stranger() -> Iterator[PgpReceiver]:
    with TemporaryDirectory(prefix="pgp-", dir="/tmp") as folder:
        yield PgpReceiver.create(Path(folder, "keys"), "stranger")


def opener(
    bursar: ExportServer, key: PgpKey, wrap: Callable[[RemoteFolder], Any] = lambda folder: folder
) -> OpenFolder:
    """Opens the folder of a batch as the connection does, with the key of the receiver."""

    @contextmanager
    def open_folder(batch: Batch) -> Iterator[RemoteFolder]:
        with bursar.open()(batch) as folder:
            folder._folder.pgp_key = key  # type: ignore[attr-defined]  # noqa: SLF001
            yield wrap(folder)

    return open_folder


def read_batch(library: Library, batch: Batch) -> Batch:
    with library.ledger.connect() as connection:
        return get_batch(connection, batch.id)


def test_gzip_gives_the_same_bytes_each_time_and_has_neither_name_nor_time(
    library: Library, bursar: ExportServer, write_layout: Write, tmp_path: Path
) -> None:
    write_layout(ONE_FILE + COMPRESS)
    library.fines(60)
    batch = select_apart(library)
    content = build_file(library.ledger, batch.id, tmp_path / "reference").path.read_bytes()
    delivered = upload_file(library.ledger, batch.id, bursar.open(), tmp_path)
    sent = bursar.files()[batch.file_name]
    assert gzip.decompress(sent) == content
    assert sent[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"  # no name, no time
    (file,) = delivered.files
    assert (file.bursar_size, file.bursar_sha256) == (len(sent), hashlib.sha256(sent).hexdigest())
    assert (file.size, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    close_fines(library.ledger, batch.id)
    (bursar.folder / "out" / batch.file_name).unlink()
    _resend(library, bursar.open(), batch, tmp_path / "elsewhere")
    assert bursar.files() == {batch.file_name: sent}


def test_an_xml_file_is_compressed_and_encrypted_as_its_profile_says(
    library: Library, bursar: ExportServer, receiver: PgpReceiver, tmp_path: Path
) -> None:
    library.fine()
    profile = make_profile(xml=XmlForm(compress="gzip", encrypt="pgp"))
    batch = select_fines(library.ledger, profile, make_settings(), run_id="run 1", as_of=NOW)
    content = build_file(library.ledger, batch.id, tmp_path / "reference").path.read_bytes()
    upload_file(library.ledger, batch.id, opener(bursar, receiver.key), tmp_path)
    ((name, sent),) = bursar.files().items()
    assert name.endswith(".xml.gz.pgp")
    assert gzip.decompress(receiver.read(sent)) == content
    assert get_name_of_content(batch, 1) == name.removesuffix(".gz.pgp")


@pytest.mark.parametrize("compress", ["", COMPRESS])
def test_only_the_receiver_can_read_an_encrypted_file(
    library: Library,
    bursar: ExportServer,
    write_layout: Write,
    receiver: PgpReceiver,
    stranger: PgpReceiver,
    tmp_path: Path,
    compress: str,
) -> None:
    write_layout(APART + DONE_FILE + ENCRYPT + compress)
    add_both_sides(library)
    batch = select_apart(library)
    built = build_files(library.ledger, batch.id, tmp_path / "reference")
    delivered = upload_file(library.ledger, batch.id, opener(bursar, receiver.key), tmp_path / "work")
    files = bursar.files()
    for file in built[:2]:
        sent = files[file.name]
        content = receiver.read(sent)
        assert (gzip.decompress(content) if compress else content) == file.path.read_bytes()
        with pytest.raises(ValueError, match="no (secret|private) key|decryption failed"):
            stranger.read(sent)
        recorded = delivered.get_file(file.number)
        assert (recorded.bursar_size, recorded.bursar_sha256) == (len(sent), hashlib.sha256(sent).hexdigest())
    assert files[built[2].name] == b""
    assert not list((tmp_path / "work").rglob("*"))


@pytest.mark.parametrize("method", ["dot", "direct"])
def test_killed_at_any_act_one_complete_file_arrives_and_the_ledger_knows_its_checksum(
    library: Library,
    bursar: ExportServer,
    write_layout: Write,
    receiver: PgpReceiver,
    tmp_path: Path,
    method: str,
) -> None:
    """Another worker, which has no file of the first one, continues; it encrypts to other bytes."""
    write_layout(ONE_FILE + ENCRYPT)
    settings = UploadSettings.model_validate({"method": method})
    for kill_at in range(60):
        library.fine()
        batch = select_apart(library, f"kill {kill_at}")
        switch = KillSwitch(kill_at)
        wrapped = opener(bursar, receiver.key, partial(KillableFolder.wrap, kill_switch=switch))
        with suppress(KilledError), switch.watch_commits(library.ledger):
            upload_file(library.ledger, batch.id, wrapped, tmp_path / f"{kill_at} one", settings)
        before = {name: data for name, data in bursar.files().items() if not name.startswith(".")}
        for worker in ("two", "three"):
            try:
                upload_file(
                    library.ledger, batch.id, opener(bursar, receiver.key), tmp_path / f"{kill_at} {worker}", settings
                )
            except BursarError:
                assert get_state(library, batch) is BatchState.UNCLEAR  # only a direct upload, whose beginning is gone
                assert method == "direct"
                (bursar.folder / "out" / batch.file_name).unlink(missing_ok=True)  # the beginning of the file
                repeat_upload(library.ledger, batch.id, by="lea")
        ((name, sent),) = bursar.files().items()
        assert before.get(name, sent) in (sent, b"")
        (file,) = read_batch(library, batch).files
        assert file.bursar_sha256 == hashlib.sha256(sent).hexdigest()
        content = build_file(library.ledger, batch.id, tmp_path / f"{kill_at} again").path.read_bytes()
        assert receiver.read(sent) == content
        close_fines(library.ledger, batch.id)
        assert is_each_exported_once(library, batch)
        (bursar.folder / "out" / name).unlink()
        if kill_at >= len(switch.acts):
            return
    raise AssertionError("the upload has more acts than expected")


@pytest.mark.parametrize(
    ("at", "after"), [(0, True), (1, True), (3, False), (3, True), (4, False), (4, True), (6, True)]
)
def test_of_two_workers_one_brings_its_file_to_the_final_name(  # noqa: PLR0917
    library: Library,
    postgres: Postgres,
    bursar: ExportServer,
    write_layout: Write,
    receiver: PgpReceiver,
    tmp_path: Path,
    at: int,
    after: bool,
) -> None:
    write_layout(ONE_FILE + ENCRYPT)
    library.fines(3)
    batch = select_apart(library)
    seen: list[bytes] = []

    def meanwhile() -> None:
        end_dag_sessions(postgres)
        upload_file(library.ledger, batch.id, opener(bursar, receiver.key), tmp_path / "second")
        seen.append(bursar.files()[batch.file_name])
        close_fines(library.ledger, batch.id)

    first = opener(bursar, receiver.key, lambda folder: Stalled(folder, at, after, meanwhile))
    assert upload_file(library.ledger, batch.id, first, tmp_path / "first").state is BatchState.CLOSED
    assert list(bursar.files().values()) == seen
    (file,) = read_batch(library, batch).files
    assert file.bursar_sha256 == hashlib.sha256(seen[0]).hexdigest()


def test_a_resend_is_encrypted_anew_and_has_a_checksum_of_its_own(
    library: Library, bursar: ExportServer, write_layout: Write, receiver: PgpReceiver, tmp_path: Path
) -> None:
    write_layout(ONE_FILE + ENCRYPT)
    library.fines(3)
    batch = select_apart(library)
    upload_file(library.ledger, batch.id, opener(bursar, receiver.key), tmp_path)
    close_fines(library.ledger, batch.id)
    first = bursar.files()[batch.file_name]
    (bursar.folder / "out" / batch.file_name).unlink()
    _resend(library, opener(bursar, receiver.key), batch, tmp_path)
    again = bursar.files()[batch.file_name]
    assert first != again
    assert receiver.read(first) == receiver.read(again)
    assert library.one("SELECT sha256 FROM deliveries WHERE kind = 'first'") == hashlib.sha256(first).hexdigest()
    assert library.one("SELECT sha256 FROM deliveries WHERE kind = 'resend'") == hashlib.sha256(again).hexdigest()


def test_a_file_that_a_person_confirms_is_known_by_the_bytes_that_were_sent(
    library: Library, bursar: ExportServer, write_layout: Write, receiver: PgpReceiver, tmp_path: Path
) -> None:
    """The part of the killed worker is with the bursar; another worker has encrypted the file again since."""
    write_layout(ONE_FILE + ENCRYPT)
    library.fines(3)
    batch = select_apart(library)
    switch = KillSwitch(1, after=True)
    with suppress(KilledError):
        wrapped = opener(bursar, receiver.key, lambda folder: KillableFolder.wrap(folder, switch))
        upload_file(library.ledger, batch.id, wrapped, tmp_path / "one")
    (part,) = (bursar.folder / "out").iterdir()
    sent = part.read_bytes()
    part.unlink()
    with pytest.raises(BursarError, match=f"SHA-256 {hashlib.sha256(sent).hexdigest()}"):
        upload_file(library.ledger, batch.id, opener(bursar, receiver.key), tmp_path / "two")
    (file,) = confirm_delivered(library.ledger, batch.id, by="lea").files
    assert file.bursar_sha256 == hashlib.sha256(sent).hexdigest()


def _key(receiver: PgpReceiver, **extra: str) -> PgpKey:
    given = {"pgp_public_key": receiver.public_key, "pgp_fingerprint": receiver.fingerprint}
    return PgpKey.from_extra("bursar_banner", given | extra)


def test_without_a_good_key_nothing_is_sent(
    library: Library,
    bursar: ExportServer,
    write_layout: Write,
    receiver: PgpReceiver,
    stranger: PgpReceiver,
    tmp_path: Path,
) -> None:
    write_layout(ONE_FILE + ENCRYPT)
    library.fine()
    batch = select_apart(library)
    wrong = {
        "does not have both `pgp_public_key` and `pgp_fingerprint`": PgpKey.from_extra("bursar_banner", {}),
        "has 0 keys, and not one": _key(receiver, pgp_public_key="-----BEGIN"),
        "has 2 keys, and not one": _key(receiver, pgp_public_key=f"{receiver.public_key}\n{stranger.public_key}"),
        f"has the fingerprint {stranger.fingerprint}": _key(receiver, pgp_public_key=stranger.public_key),
    }
    for message, key in wrong.items():
        with pytest.raises(BursarError, match=message):
            upload_file(library.ledger, batch.id, opener(bursar, key), tmp_path)
    assert (bursar.files(), get_state(library, batch)) == ({}, BatchState.BUILT)
    spaced = " ".join(receiver.fingerprint[at : at + 4].lower() for at in range(0, 40, 4))
    escaped = receiver.public_key.replace("\n", "\\n")
    key = _key(receiver, pgp_fingerprint=spaced, pgp_public_key=escaped)
    assert upload_file(library.ledger, batch.id, opener(bursar, key), tmp_path).was_delivered


def test_without_gpg_nothing_is_selected_and_nothing_is_sent(
    library: Library,
    bursar: ExportServer,
    write_layout: Write,
    receiver: PgpReceiver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_layout(ONE_FILE + ENCRYPT)
    library.fine()
    batch, key = select_apart(library), receiver.key
    monkeypatch.setenv("PATH", str(tmp_path))
    for act in (
        lambda: select_apart(library, "run 2"),
        lambda: upload_file(library.ledger, batch.id, opener(bursar, key), tmp_path),
    ):
        with pytest.raises(BursarError, match=r"has no program gpg.*Install GnuPG"):
            act()  # type: ignore[no-untyped-call]
    assert bursar.files() == {}


def test_the_key_ring_of_the_machine_is_not_used(
    library: Library,
    bursar: ExportServer,
    write_layout: Write,
    receiver: PgpReceiver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("GNUPGHOME", str(home))
    write_layout(ONE_FILE + ENCRYPT)
    library.fine()
    batch = select_apart(library)
    upload_file(library.ledger, batch.id, opener(bursar, receiver.key), tmp_path / "work")
    assert list(home.iterdir()) == []
    assert receiver.read(bursar.files()[batch.file_name])


def _resend(library: Library, open_folder: OpenFolder, batch: Batch, work_dir: Path) -> None:
    resend_batch(
        library.ledger,
        "STUDENTS",
        batch.id,
        run_id="again",
        requested_by="lea",
        open_folder=open_folder,
        work_dir=work_dir,
    )
