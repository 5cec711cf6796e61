"""Uploads of workers that have lost their lock, and servers that have no more what they acknowledged.

The module is long because the tests share the servers that pause a worker, and those that take a file away.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString, cast

import pytest
from asyncssh import SFTPServer

from bursar.errors import BatchError, BursarError, TransientError, UnclearDeliveryError
from bursar.exports import upload, upload_attempts, upload_lock
from bursar.exports.build import ExportFile, build_files
from bursar.exports.close import close_fines
from bursar.exports.recover import recover_unfinished_batches, release_batch
from bursar.exports.resend import resend_batch
from bursar.exports.selection import select_fines
from bursar.exports.upload import confirm_delivered, upload_file
from bursar.ledger.batches import Batch, BatchState
from bursar.remote_files.base import RemoteFolder
from demo.postgres import DAGS_ROLE, Postgres
from demo.servers import Account, sftp_server
from tests.support.export_server import ExportServer, get_state
from tests.support.fault_injection import KilledError
from tests.support.fixtures import NOW, Library, end_sessions, make_profile, make_settings

HOLDS_A_LOCK: LiteralString = "pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted)"
CALLS = ["size", "write", "size", "sha256", "rename", "size", "sha256"]


@dataclass
class Stalled:
    """A remote folder whose user stalls before or after its n-th call, while something else happens."""

    folder: RemoteFolder
    at: int
    after: bool
    meanwhile: Callable[[], None]
    calls: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        wanted = getattr(self.folder, name)
        if not callable(wanted):
            return wanted

        def call(*given: Any, **named: Any) -> Any:
            self.calls.append(name)
            stalls = len(self.calls) - 1 == self.at
            if stalls and not self.after:
                self.meanwhile()
            result = wanted(*given, **named)
            if stalls and self.after:
                self.meanwhile()
            return result

        return call


def stalling(
    bursar: ExportServer, at: int, *, after: bool, meanwhile: Callable[[], None]
) -> Callable[[Batch], AbstractContextManager[RemoteFolder]]:
    @contextmanager
    def open_folder(found: Batch) -> Iterator[RemoteFolder]:
        with bursar.open()(found) as folder:
            yield cast("RemoteFolder", Stalled(folder, at, after, meanwhile))

    return open_folder


def end_dag_sessions(postgres: Postgres) -> None:
    """Ends all sessions of the DAGs; the lock of a worker is gone with its own."""
    end_sessions(postgres, "usename = %s", DAGS_ROLE)


STALLS = [(at, after) for at in range(len(CALLS)) for after in (False, True)]
LOOKS_AT_THE_FILE = [(0, False), *STALLS[2 * CALLS.index("rename") :]]
"""Where a stalled worker asks afterwards for the file under its final name, which a quick bursar has taken by then."""


@pytest.mark.parametrize(
    ("at", "after", "bursar_is_quick"),
    [*((*stall, False) for stall in STALLS), *((*stall, True) for stall in LOOKS_AT_THE_FILE)],
)
def test_a_worker_that_lost_its_lock_changes_nothing_for_the_one_that_took_over(  # noqa: PLR0917
    library: Library,
    postgres: Postgres,
    bursar: ExportServer,
    selected: Batch,
    content: bytes,
    tmp_path: Path,
    at: int,
    after: bool,
    bursar_is_quick: bool,
) -> None:
    taken: list[bytes] = []

    def meanwhile() -> None:
        end_dag_sessions(postgres)
        upload_file(library.ledger, selected.id, bursar.open(), tmp_path / "second")
        close_fines(library.ledger, selected.id)
        if bursar_is_quick:
            file = bursar.folder / "out" / selected.file_name
            taken.append(file.read_bytes())
            file.unlink()

    first = stalling(bursar, at, after=after, meanwhile=meanwhile)
    assert upload_file(library.ledger, selected.id, first, tmp_path / "first").state is BatchState.CLOSED

    left = {name: data for name, data in bursar.files().items() if not name.startswith(".")}
    assert [*taken, *left.values()] == [content]
    assert get_state(library, selected) is BatchState.CLOSED
    assert library.one("SELECT count(*) FROM journal_entries WHERE entry_type = 'EXPORTED'") == 60
    assert len(bursar.files()) == len(left)  # no part is left


@pytest.mark.parametrize("kill_at", [1, 2, 3])
def test_a_batch_that_is_released_while_its_file_is_built_is_not_uploaded(
    library: Library,
    bursar: ExportServer,
    selected: Batch,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kill_at: int,
) -> None:
    with pytest.raises(KilledError):
        upload_file(library.ledger, selected.id, bursar.open(kill_at=kill_at), tmp_path)

    def build_and_release(*arguments: Any) -> list[ExportFile]:
        files = build_files(*arguments)
        release_batch(library.ledger, selected.id, confirmed_not_received=True)
        return files

    monkeypatch.setattr(upload, "build_files", build_and_release)
    with pytest.raises(BatchError, match="has been released"):
        upload_file(library.ledger, selected.id, bursar.open(), tmp_path)
    assert selected.file_name not in bursar.files()
    assert get_state(library, selected) is BatchState.RELEASED


def test_a_long_upload_notices_that_its_lock_is_lost(
    library: Library,
    postgres: Postgres,
    bursar: ExportServer,
    selected: Batch,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upload_lock, "LOCK_CHECK_SECONDS", 0)
    blocks = 0

    class Counted(Stalled):
        def write(self, name: str, source: Any, sent: Callable[[bytes], None], *, new: bool) -> None:
            def count(block: bytes) -> None:
                nonlocal blocks
                blocks += 1
                if blocks == 2:
                    end_dag_sessions(postgres)
                sent(block)

            self.folder.write(name, source, count, new=new)

    @contextmanager
    def open_folder(found: Batch) -> Iterator[RemoteFolder]:
        with bursar.open()(found) as folder:
            yield cast("RemoteFolder", Counted(folder, -1, after=False, meanwhile=lambda: None))

    with pytest.raises(TransientError, match="has lost its lock on batch"):
        upload_file(library.ledger, selected.id, open_folder, tmp_path)
    assert blocks == 2
    assert bursar.files() == {}


def test_each_attempt_has_a_part_of_its_own_that_the_ledger_knew_before(
    library: Library, bursar: ExportServer, selected: Batch, content: bytes, tmp_path: Path
) -> None:
    for kill_at in (1, 2):  # after its file is looked for; after its part is written
        with pytest.raises(KilledError):
            upload_file(library.ledger, selected.id, bursar.open(kill_at=kill_at), tmp_path)
    upload_file(library.ledger, selected.id, bursar.open(), tmp_path)
    assert bursar.files() == {selected.file_name: content}
    name = selected.file_name
    assert library.one("SELECT array_agg(part_name ORDER BY id) FROM upload_attempts") == [
        f".{name}.{number}.part" for number in (1, 2, 3)
    ]


# Servers that hand uploads on.


class TakesAway(SFTPServer):
    """Hands each upload on as soon as it is closed, as managed transfer does."""

    def close(self, file_obj: object) -> None:
        super().close(file_obj)
        name = Path(os.fsdecode(file_obj.name))  # type: ignore[attr-defined]
        if file_obj.mode != "rb":  # type: ignore[attr-defined]
            name.rename(name.parents[1] / "taken" / name.name)


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[ExportServer]:
    disk = tmp_path / "server"
    for folder in ("out", "taken"):
        (disk / folder).mkdir(parents=True)
    with sftp_server({"library": Account(disk, password="secret")}, tmp_path / "state", files=TakesAway) as address:
        yield ExportServer(disk, address.host, address.port)


def taken_by(bursar: ExportServer) -> list[bytes]:
    return [file.read_bytes() for file in (bursar.folder / "taken").iterdir()]


@pytest.fixture
def unclear(library: Library, mailbox: ExportServer, selected: Batch, tmp_path: Path) -> Batch:
    with pytest.raises(UnclearDeliveryError, match="The server acknowledged the whole file, and then had no such file"):
        upload_file(library.ledger, selected.id, mailbox.open(), tmp_path)
    return selected


def test_what_the_server_acknowledged_and_has_no_more_is_never_sent_again_by_itself(
    library: Library, mailbox: ExportServer, unclear: Batch, content: bytes, tmp_path: Path
) -> None:
    for _ in range(2):
        with pytest.raises(UnclearDeliveryError) as raised:
            upload_file(library.ledger, unclear.id, mailbox.open(), tmp_path)
    assert get_state(library, unclear) is BatchState.UNCLEAR
    assert taken_by(mailbox) == [content]
    for part in (
        unclear.file_name,
        f"batches confirm-delivered {unclear.id}",
        f"release {unclear.id} --confirm-not-received",
    ):
        assert part in str(raised.value)


def test_the_next_run_leaves_an_unclear_batch_to_a_person_and_exports_the_others(
    library: Library, mailbox: ExportServer, unclear: Batch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    library.fine()
    ended = recover_unfinished_batches(
        library.ledger,
        "STUDENTS",
        run_id="run 2",
        is_running=lambda _: False,
        open_folder=mailbox.open(),
        work_dir=tmp_path,
    )
    following = select_fines(library.ledger, make_profile(), make_settings(), run_id="run 2", as_of=NOW)
    assert (ended, following.fines) == ([], 1)
    assert f"Batch {unclear.id} is unclear" in caplog.text


def test_a_person_confirms_and_the_fines_are_closed(
    library: Library, mailbox: ExportServer, unclear: Batch, content: bytes, tmp_path: Path
) -> None:
    confirm_delivered(library.ledger, unclear.id, by="lea")
    upload_file(library.ledger, unclear.id, mailbox.open(), tmp_path)
    assert close_fines(library.ledger, unclear.id).state is BatchState.CLOSED
    assert taken_by(mailbox) == [content]
    assert library.one("SELECT confirmed_by FROM deliveries") == "lea"


def test_a_person_releases_and_the_next_export_takes_the_fines(
    library: Library, mailbox: ExportServer, unclear: Batch
) -> None:
    with pytest.raises(BatchError, match="could be billed twice"):
        release_batch(library.ledger, unclear.id)
    assert release_batch(library.ledger, unclear.id, confirmed_not_received=True).state is BatchState.RELEASED
    assert select_fines(library.ledger, make_profile(), make_settings(), run_id="run 2", as_of=NOW).fines == 60


def test_what_was_never_sent_can_not_be_confirmed(library: Library, selected: Batch) -> None:
    with pytest.raises(BatchError, match="is selected: its upload has not begun"):
        confirm_delivered(library.ledger, selected.id, by="lea")


@pytest.mark.parametrize("after_the_call", [False, True])
def test_a_worker_killed_in_its_upload_leaves_no_guess(
    library: Library, mailbox: ExportServer, selected: Batch, content: bytes, tmp_path: Path, after_the_call: bool
) -> None:
    """Before the first byte the file is sent anew; once the last block has left, nobody knows whether it arrived."""
    with pytest.raises(KilledError):
        upload_file(library.ledger, selected.id, mailbox.open(kill_at=1, after_the_call=after_the_call), tmp_path)
    with pytest.raises(UnclearDeliveryError):
        upload_file(library.ledger, selected.id, mailbox.open(), tmp_path)
    assert taken_by(mailbox) == [content]


def test_a_part_that_is_taken_away_between_its_check_and_its_name_is_unclear(
    library: Library, bursar: ExportServer, selected: Batch, tmp_path: Path
) -> None:
    def take() -> None:
        (part,) = (bursar.folder / "out").iterdir()
        part.unlink()

    with pytest.raises(UnclearDeliveryError):
        upload_file(library.ledger, selected.id, stalling(bursar, 4, after=False, meanwhile=take), tmp_path)
    assert get_state(library, selected) is BatchState.UNCLEAR


def test_a_resend_that_is_taken_away_is_not_repeated_by_its_run(
    library: Library, mailbox: ExportServer, unclear: Batch, content: bytes, tmp_path: Path
) -> None:
    confirm_delivered(library.ledger, unclear.id, by="lea")
    close_fines(library.ledger, unclear.id)
    for _ in range(2):
        with pytest.raises(UnclearDeliveryError, match="If it has not: start another resend"):
            resend_batch(
                library.ledger,
                "STUDENTS",
                unclear.id,
                run_id="again",
                requested_by="lea",
                open_folder=mailbox.open(),
                work_dir=tmp_path,
            )
    assert taken_by(mailbox) == [content, content]  # the first sending, and one resend


# The part of an earlier attempt, which is removed.


def taken_from(bursar: ExportServer) -> bytes:
    """What a server hands on that takes the part, whatever its name."""
    (part,) = (bursar.folder / "out").iterdir()
    content = part.read_bytes()
    part.unlink()
    return content


@pytest.mark.parametrize("kill_at", [*range(4), 6])  # up to its own part, and its rename
@pytest.mark.parametrize("after_the_call", [False, True])
def test_a_part_is_never_recorded_as_complete_once_another_worker_may_remove_it(  # noqa: PLR0917
    library: Library,
    postgres: Postgres,
    bursar: ExportServer,
    selected: Batch,
    content: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kill_at: int,
    after_the_call: bool,
) -> None:
    """The first worker stalls before that record; the second one is killed around its calls meanwhile."""
    usual = upload_attempts.check_newest

    def stall(*arguments: Any) -> None:
        monkeypatch.setattr(upload_attempts, "check_newest", usual)
        end_sessions(postgres, HOLDS_A_LOCK)
        with suppress(KilledError):
            second = bursar.open(kill_at=kill_at, after_the_call=after_the_call)
            upload_file(library.ledger, selected.id, second, tmp_path / "second")
        usual(*arguments)

    monkeypatch.setattr(upload_attempts, "check_newest", stall)
    with suppress(BursarError):
        upload_file(library.ledger, selected.id, bursar.open(), tmp_path / "first")
    if (kill_at, after_the_call) == (2, True):  # it removed the part, and could not say so any more
        with pytest.raises(UnclearDeliveryError):
            upload_file(library.ledger, selected.id, bursar.open(), tmp_path / "third")
        assert bursar.files() == {}
        return
    upload_file(library.ledger, selected.id, bursar.open(), tmp_path / "third")
    assert bursar.files() == {selected.file_name: content}


def test_a_whole_part_that_is_taken_before_its_removal_is_unclear(
    library: Library, bursar: ExportServer, selected: Batch, content: bytes, tmp_path: Path
) -> None:
    with pytest.raises(KilledError):
        upload_file(library.ledger, selected.id, bursar.open(kill_at=1, after_the_call=True), tmp_path)
    taken: list[bytes] = []
    second = stalling(bursar, 2, after=False, meanwhile=lambda: taken.append(taken_from(bursar)))
    with pytest.raises(UnclearDeliveryError):
        upload_file(library.ledger, selected.id, second, tmp_path)
    assert [*taken, *bursar.files().values()] == [content]


def test_a_whole_part_that_is_taken_after_its_remover_was_killed_is_unclear(
    library: Library, bursar: ExportServer, selected: Batch, content: bytes, tmp_path: Path
) -> None:
    for kill_at, after in ((1, True), (2, False)):
        with pytest.raises(KilledError):
            upload_file(library.ledger, selected.id, bursar.open(kill_at=kill_at, after_the_call=after), tmp_path)
    taken = taken_from(bursar)
    with pytest.raises(UnclearDeliveryError):
        upload_file(library.ledger, selected.id, bursar.open(), tmp_path)
    assert [taken, *bursar.files().values()] == [content]
