"""Direct uploads, on servers that collect immediately, show little, or break off: never twice, never a guess."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from asyncssh import SFTPServer
from paramiko import SFTPFile

from bursar.errors import BursarError, RemoteFolderError, TransientError, UnclearDeliveryError
from bursar.exports.build import build_file
from bursar.exports.selection import select_fines
from bursar.exports.upload import OpenFolder, upload_file
from bursar.ledger.batches import Batch, BatchState
from bursar.profiles.upload import UploadSettings
from bursar.remote_files.base import RemoteFolder
from tests.support.export_server import ExportServer, get_state
from tests.support.fault_injection import KillableFolder, KilledError, KillSwitch
from tests.support.fixtures import NOW, Library, make_profile, make_settings
from tests.support.odd_servers import BreaksOff, CollectsImmediately, DropBox, ShowsNothing, odd_server, received

DIRECT = UploadSettings(method="direct")
COLLECTED = UploadSettings(method="direct", collected_immediately=True)


@pytest.fixture
def selected(library: Library) -> Batch:
    library.fines(150)
    return select_fines(library.ledger, make_profile(), make_settings(), run_id="run 1", as_of=NOW)


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[ExportServer]:
    with odd_server(SFTPServer, tmp_path) as server:
        yield server


@pytest.fixture
def collecting(tmp_path: Path) -> Iterator[ExportServer]:
    with odd_server(CollectsImmediately, tmp_path) as server:
        yield server


def reason(library: Library) -> str:
    return library.one("SELECT unclear_reason FROM deliveries")  # type: ignore[no-any-return]


def test_a_file_is_uploaded_under_its_final_name(
    library: Library, plain: ExportServer, selected: Batch, content: bytes, tmp_path: Path
) -> None:
    assert upload_file(library.ledger, selected.id, plain.open(), tmp_path, DIRECT).was_delivered
    assert plain.files() == {selected.file_name: content}
    assert plain.kill_switches[0].acts == ["size", "write", "size", "sha256"]
    assert library.one("SELECT part_name FROM upload_attempts") == selected.file_name


def test_a_file_that_is_collected_immediately_is_delivered_if_the_profile_says_so(
    library: Library, collecting: ExportServer, selected: Batch, content: bytes, tmp_path: Path
) -> None:
    for _ in range(4):
        assert upload_file(library.ledger, selected.id, collecting.open(), tmp_path, COLLECTED).was_delivered
    assert received(collecting) == [content]


def test_otherwise_it_goes_to_a_person(
    library: Library, collecting: ExportServer, selected: Batch, content: bytes, tmp_path: Path
) -> None:
    for _ in range(4):
        with pytest.raises(UnclearDeliveryError, match="acknowledged the whole file, and then had no such file"):
            upload_file(library.ledger, selected.id, collecting.open(), tmp_path, DIRECT)
    assert received(collecting) == [content]
    assert reason(library) == "GONE"


def test_a_server_that_denies_what_it_has_collected_delivers(
    library: Library, selected: Batch, content: bytes, tmp_path: Path
) -> None:
    settings = COLLECTED.model_copy(update={"denied_means_missing": True})
    with odd_server(DropBox, tmp_path) as server:
        with pytest.raises(RemoteFolderError, match="does not let us look"):
            upload_file(library.ledger, selected.id, server.open(), tmp_path, COLLECTED)
        assert upload_file(library.ledger, selected.id, server.open(), tmp_path, settings).was_delivered
        assert received(server) == [content]


@pytest.mark.parametrize("kind", [SFTPServer, CollectsImmediately, ShowsNothing])
def test_killed_at_any_act_and_repeated_the_bursar_has_it_once_or_a_person_is_asked(
    library: Library, tmp_path: Path, kind: type[SFTPServer]
) -> None:
    """Each act is a request to the server or a commit in the ledger."""
    blind = {"look_before": False, "confirm_size": False} if kind is ShowsNothing else {}
    settings = (COLLECTED if kind is CollectsImmediately else DIRECT).model_copy(update=blind)
    ends = set()
    for kill_at in range(60):
        library.fine()
        found = select_fines(library.ledger, make_profile(), make_settings(), run_id=f"kill {kill_at}", as_of=NOW)
        folder = tmp_path / str(kill_at)
        kill_switch = KillSwitch(kill_at)
        with odd_server(kind, folder) as server:
            with suppress(KilledError), kill_switch.watch_commits(library.ledger):
                upload_file(library.ledger, found.id, counted(server, kill_switch), folder, settings)
            for _ in range(3):
                with suppress(BursarError):
                    upload_file(library.ledger, found.id, server.open(), folder, settings)
            whole = build_file(library.ledger, found.id, folder / "reference").path.read_bytes()
            end = get_state(library, found)
            ends.add(end)
            sent = [file for file in received(server) if file]  # an empty one is collected when its worker dies
            assert end in (BatchState.DELIVERED, BatchState.UNCLEAR)
            assert sent in ([[whole]] if end is BatchState.DELIVERED else [[], [whole]])
        if kill_at >= len(kill_switch.acts):
            break
    else:
        raise AssertionError("the upload has more acts than expected")
    assert BatchState.DELIVERED in ends


def counted(server: ExportServer, kill_switch: KillSwitch) -> OpenFolder:
    """Opens the folder so that each request is an act of one worker, as each commit is."""

    @contextmanager
    def open_folder(found: Batch) -> Iterator[RemoteFolder]:
        with server.open()(found) as folder:
            yield KillableFolder.wrap(folder, kill_switch)

    return open_folder


@pytest.fixture
def breaking(monkeypatch: pytest.MonkeyPatch) -> type[BreaksOff]:
    for name, value in {"writes": 0, "drops_at": 2, "keeps": True}.items():
        monkeypatch.setattr(BreaksOff, name, value)
    # Each block waits for its answer, so that the upload breaks off at the block that the server drops.
    monkeypatch.setattr(SFTPFile, "set_pipelined", lambda *_: None)
    return BreaksOff


def test_the_beginning_of_a_file_is_removed_and_the_file_sent_again(
    library: Library, breaking: type[BreaksOff], selected: Batch, content: bytes, tmp_path: Path
) -> None:
    with odd_server(breaking, tmp_path) as server:
        with pytest.raises(TransientError):
            upload_file(library.ledger, selected.id, server.open(), tmp_path, DIRECT)
        assert 0 < len(server.files()[selected.file_name]) < len(content)
        upload_file(library.ledger, selected.id, server.open(), tmp_path, DIRECT)
        assert server.files() == {selected.file_name: content}
    assert library.one("SELECT count(removed_at) FROM upload_attempts") == 1


def test_the_beginning_of_a_file_that_was_collected_goes_to_a_person(
    library: Library,
    breaking: type[BreaksOff],
    selected: Batch,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(BreaksOff, "keeps", False)
    with odd_server(breaking, tmp_path) as server:
        with pytest.raises(TransientError):
            upload_file(library.ledger, selected.id, server.open(), tmp_path, DIRECT)
        for _ in range(2):
            with pytest.raises(UnclearDeliveryError, match="may have collected the beginning of it"):
                upload_file(library.ledger, selected.id, server.open(), tmp_path, DIRECT)
        assert len(received(server)) == 1
    assert reason(library) == "BROKEN_OFF"


def test_a_file_whose_last_block_was_sent_is_not_sent_again(
    library: Library, breaking: type[BreaksOff], selected: Batch, content: bytes, tmp_path: Path
) -> None:
    """The server may still receive it from its own queue, or commit it when the connection ends."""
    breaking.drops_at = -(-len(content) // (32 * 1024))
    with odd_server(breaking, tmp_path) as server:
        with pytest.raises(TransientError):
            upload_file(library.ledger, selected.id, server.open(), tmp_path, DIRECT)
        with pytest.raises(UnclearDeliveryError, match="last bytes were sent"):
            upload_file(library.ledger, selected.id, server.open(), tmp_path, DIRECT)
    assert reason(library) == "UNCONFIRMED"


def test_a_file_that_is_not_ours_is_never_replaced(
    library: Library, plain: ExportServer, selected: Batch, tmp_path: Path
) -> None:
    foreign = plain.folder / "out" / selected.file_name
    foreign.write_bytes(b"somebody else's")
    for settings in (DIRECT, DIRECT.model_copy(update={"look_before": False})):
        with pytest.raises(RemoteFolderError):  # the second by the server: the name is not free
            upload_file(library.ledger, selected.id, plain.open(), tmp_path, settings)
    assert foreign.read_bytes() == b"somebody else's"


def test_an_acknowledged_file_with_other_bytes_goes_to_a_person(
    library: Library, plain: ExportServer, selected: Batch, content: bytes, tmp_path: Path
) -> None:
    with pytest.raises(KilledError):  # before it looks at the file that it has written
        upload_file(library.ledger, selected.id, plain.open(kill_at=2), tmp_path, DIRECT)
    (plain.folder / "out" / selected.file_name).write_bytes(content[:-1])
    for _ in range(2):
        with pytest.raises(UnclearDeliveryError, match="another size or other bytes"):
            upload_file(library.ledger, selected.id, plain.open(), tmp_path, DIRECT)
    assert reason(library) == "CHANGED"
