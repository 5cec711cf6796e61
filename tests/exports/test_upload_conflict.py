"""Direct uploads by FTP of a worker that has lost its lock, while another one delivers the batch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from bursar.errors import BursarError, UnclearDeliveryError, UploadConflictError
from bursar.exports import upload_lock
from bursar.exports.build import build_file
from bursar.exports.close import close_fines
from bursar.exports.recover import release_batch
from bursar.exports.selection import select_fines
from bursar.exports.upload import OpenFolder, upload_file
from bursar.ledger.batches import Batch, BatchState
from bursar.notifications.alerts import find_alerts
from bursar.profiles.upload import UploadSettings
from bursar.remote_files import ftp
from bursar.remote_files.base import RemoteFolder
from demo.postgres import Postgres
from tests.exports.test_upload_protocol import Stalled, end_dag_sessions
from tests.support.export_server import get_state
from tests.support.fault_injection import InterruptSwitch, KillableFolder
from tests.support.fixtures import NOW, Library, make_profile, make_settings
from tests.support.servers import RemoteServer, serve_ftp

DIRECT = UploadSettings(method="direct")


@pytest.fixture(autouse=True)
def short_abort(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server answers once if no byte of an aborted upload has arrived; a second answer is waited for in vain."""
    monkeypatch.setattr(ftp, "ABORT_SECONDS", 0.1)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RemoteServer]:
    """An FTP server that removes a file whose upload is aborted, by its name, as some do."""

    def remove(_: object, file: str) -> None:
        Path(file).unlink(missing_ok=True)

    with serve_ftp(tmp_path, on_incomplete_file_received=remove) as remote:
        (remote.disk / "out").mkdir()
        yield remote


def select(library: Library, run_id: str = "run 1", fines: int = 60) -> Batch:
    library.fines(fines)
    return select_fines(library.ledger, make_profile(), make_settings(), run_id=run_id, as_of=NOW)


def opener(server: RemoteServer, wrap: Callable[[RemoteFolder], object] = lambda folder: folder) -> OpenFolder:
    @contextmanager
    def open_folder(found: Batch) -> Iterator[RemoteFolder]:
        with server.open(found.output_file_path) as folder:
            yield cast("RemoteFolder", wrap(folder))

    return open_folder


def files(server: RemoteServer) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (server.disk / "out").iterdir()}


def whole(library: Library, found: Batch, tmp_path: Path) -> bytes:
    return build_file(library.ledger, found.id, tmp_path / "reference").path.read_bytes()


def test_a_worker_that_lost_its_lock_at_any_act_never_changes_a_delivered_file(
    library: Library, postgres: Postgres, tmp_path: Path
) -> None:
    """Each act is a request to the server or a commit in the ledger; another worker delivers the batch then."""
    with serve_ftp(tmp_path) as server:
        (server.disk / "out").mkdir()
        ends = []
        for at in range(40):
            found = select(library, f"stall {at}", fines=1)
            folder = tmp_path / str(at)

            def deliver(found: Batch = found, folder: Path = folder) -> None:
                end_dag_sessions(postgres)
                with suppress(UnclearDeliveryError):
                    upload_file(library.ledger, found.id, opener(server), folder / "second", DIRECT)
                    close_fines(library.ledger, found.id)

            switch = InterruptSwitch(at, interrupt=deliver)
            first = opener(server, lambda opened, switch=switch: KillableFolder.wrap(opened, switch))  # type: ignore[misc]
            with suppress(BursarError), switch.watch_commits(library.ledger):
                upload_file(library.ledger, found.id, first, folder / "first", DIRECT)
            ends.append(get_state(library, found))
            if ends[-1] is not BatchState.UNCLEAR:
                upload_file(library.ledger, found.id, opener(server), folder / "third", DIRECT)
                close_fines(library.ledger, found.id)
                assert files(server)[found.file_name] == whole(library, found, folder)
            assert library.one("SELECT count(conflict_at) FROM upload_attempts") == 0
            if at >= len(switch.acts):
                break
        else:
            raise AssertionError("the upload has more acts than expected")
        assert ends.count(BatchState.CLOSED) > ends.count(BatchState.UNCLEAR) > 0


def stall_in_upload(
    library: Library,
    server: RemoteServer,
    found: Batch,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    meanwhile: Callable[[], object],
) -> None:
    """Uploads a batch by a worker that stalls after its first block has been sent."""
    monkeypatch.setattr(upload_lock, "LOCK_CHECK_SECONDS", 0)
    blocks = 0

    class StallsInWrite(Stalled):
        def write(self, name: str, source: Any, sent: Callable[[bytes], None], *, new: bool) -> None:
            def count(block: bytes) -> None:
                nonlocal blocks
                blocks += 1
                if blocks == 1:
                    meanwhile()
                sent(block)

            self.folder.write(name, source, count, new=new)

    stalled = opener(server, lambda folder: StallsInWrite(folder, -1, after=False, meanwhile=lambda: None))
    upload_file(library.ledger, found.id, stalled, tmp_path / "first", DIRECT)


def test_a_damaged_file_fails_the_task_and_alerts_people(
    library: Library,
    postgres: Postgres,
    server: RemoteServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = select(library, fines=150)

    def deliver() -> None:
        end_dag_sessions(postgres)
        upload_file(library.ledger, found.id, opener(server), tmp_path / "second", DIRECT)
        close_fines(library.ledger, found.id)
        assert files(server) == {found.file_name: whole(library, found, tmp_path)}

    with pytest.raises(UploadConflictError, match="though another worker delivered it meanwhile") as raised:
        stall_in_upload(library, server, found, tmp_path, monkeypatch, deliver)
    assert files(server) == {}  # the server removed the other worker's file
    assert "no such file" in str(raised.value)
    assert get_state(library, found) is BatchState.CLOSED

    with library.ledger.begin() as connection:
        (alert,) = [
            alert
            for alert in find_alerts(connection, [make_profile()], now=datetime.now(UTC))
            if alert.dedup_key.startswith("upload conflict")
        ]
    assert f"{found.file_name} of batch {found.id} into" in alert.summary
    assert "compare its SHA-256" in alert.advice


def test_a_file_that_is_written_after_the_release_of_its_batch_alerts_people(
    library: Library, postgres: Postgres, server: RemoteServer, tmp_path: Path
) -> None:
    found = select(library)

    def release() -> None:
        end_dag_sessions(postgres)
        with pytest.raises(UnclearDeliveryError, match="may have collected the beginning"):
            upload_file(library.ledger, found.id, opener(server), tmp_path / "second", DIRECT)
        release_batch(library.ledger, found.id, confirmed_not_received=True)

    stalled = opener(server, lambda folder: Stalled(folder, 1, after=False, meanwhile=release))
    with pytest.raises(UploadConflictError, match="a person released the batch meanwhile"):
        upload_file(library.ledger, found.id, stalled, tmp_path / "first", DIRECT)
    assert not any(files(server).values())
    assert library.one("SELECT count(conflict_at) FROM upload_attempts") == 1


def test_a_lock_that_is_lost_without_another_worker_is_no_conflict(
    library: Library,
    postgres: Postgres,
    server: RemoteServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = select(library, fines=150)
    with pytest.raises(upload_lock.LockLostError):
        stall_in_upload(library, server, found, tmp_path, monkeypatch, lambda: end_dag_sessions(postgres))
    assert library.one("SELECT count(conflict_at) FROM upload_attempts") == 0


def test_an_upload_that_the_server_does_not_open_is_repeated(library: Library, tmp_path: Path) -> None:
    """Nothing was sent, though the first block was recorded."""
    found = select(library)
    with serve_ftp(tmp_path) as server:
        out = server.disk / "out"
        out.mkdir()
        (out / found.file_name).mkdir()
        blind = UploadSettings(method="direct", look_before=False, confirm_size=False)
        for _ in range(2):
            with pytest.raises(BursarError, match="does not let us write"):
                upload_file(library.ledger, found.id, opener(server), tmp_path / "work", blind)
        assert library.one("SELECT count(first_block_at) FROM upload_attempts") == 0
        (out / found.file_name).rmdir()
        assert upload_file(library.ledger, found.id, opener(server), tmp_path / "work", DIRECT).was_delivered
        assert files(server) == {found.file_name: whole(library, found, tmp_path)}
