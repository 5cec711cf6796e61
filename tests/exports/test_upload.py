"""Uploads that are killed at every step and repeated: the file is delivered once, and each fine is closed once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from bursar import progress
from bursar.errors import BatchError, RemoteFolderError, TransientError, UnclearDeliveryError
from bursar.exports.build import build_file
from bursar.exports.close import close_fines
from bursar.exports.selection import select_fines
from bursar.exports.upload import upload_file
from bursar.ledger.batches import Batch, BatchState, get_batch
from tests.support.export_server import ExportServer
from tests.support.fault_injection import KilledError
from tests.support.fixtures import NOW, Library, make_profile, make_settings


def select_batch(library: Library, run_id: str = "run 1", fines: int = 3) -> Batch:
    for _ in range(fines):
        library.fine(item=library.item())
    return select_fines(library.ledger, make_profile(), make_settings(), run_id=run_id, as_of=NOW)


def get_state(library: Library, found: Batch) -> BatchState:
    with library.ledger.connect() as connection:
        return get_batch(connection, found.id).state


def is_exported_once(library: Library, found: Batch) -> bool:
    """Returns whether each fine of the batch was exported exactly once."""
    entries = library.one(
        "SELECT array_agg(fine_id ORDER BY fine_id) FROM journal_entries WHERE entry_type = 'EXPORTED'"
    )
    lines = library.one("SELECT array_agg(fine_id ORDER BY fine_id) FROM batch_lines WHERE batch_id = :id", id=found.id)
    closed = library.one("SELECT bool_and(status = 'CLOSED' AND balance = 0 AND outstanding = 12.5) FROM fines")
    return bool(entries == lines and closed and library.one("SELECT count(*) FROM batch_claims") == 0)


def test_a_delivered_file_is_the_only_file_in_the_folder(
    library: Library, bursar: ExportServer, tmp_path: Path
) -> None:
    found = select_batch(library)
    content = build_file(library.ledger, found.id, tmp_path).path.read_bytes()
    delivered = upload_file(library.ledger, found.id, bursar.open(), tmp_path)
    assert (delivered.state, delivered.remote_folder) == (BatchState.DELIVERED, f"sftp://{bursar.host}/out")
    assert bursar.files() == {found.file_name: content}
    close_fines(library.ledger, found.id)
    assert is_exported_once(library, found)


def test_an_upload_logs_its_progress(
    library: Library,
    bursar: ExportServer,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "INTERVAL_SECONDS", 0)
    found = select_batch(library, fines=7)
    with caplog.at_level("INFO"):
        size = upload_file(library.ledger, found.id, bursar.open(), tmp_path).files[0].size
    messages = [record.getMessage() for record in caplog.records if record.name.startswith("bursar")]
    sending, sent, delivered = messages[-3:]
    assert sending == f"Sending {found.file_name} ({size:,} bytes) to sftp://{bursar.host}/out."
    assert sent.startswith(f"Sent {found.file_name}: 0.01 MB of 0.01 MB (")
    assert delivered == f"Delivered {found.file_name} ({size:,} bytes) to sftp://{bursar.host}/out."


CALLS = ["size", "write", "size", "sha256", "rename", "size", "sha256"]


def test_an_upload_makes_these_calls(library: Library, bursar: ExportServer, tmp_path: Path) -> None:
    """The next tests kill the worker at each of these calls."""
    upload_file(library.ledger, select_batch(library).id, bursar.open(), tmp_path)
    assert bursar.kill_switches[0].acts == CALLS


KILLS = [(kill_at, after) for kill_at in range(len(CALLS)) for after in (False, True)]
HAS_FILE = KILLS[KILLS.index((CALLS.index("rename"), True)) :]
"""Where the bursar can have collected the file."""


@pytest.mark.parametrize(
    ("kill_at", "after_the_call", "is_collected"),
    [*((*kill, False) for kill in KILLS), *((*kill, True) for kill in HAS_FILE)],
)
def test_an_upload_that_is_killed_and_repeated_sends_the_file_once(
    library: Library, bursar: ExportServer, tmp_path: Path, kill_at: int, after_the_call: bool, is_collected: bool
) -> None:
    found = select_batch(library)
    content = build_file(library.ledger, found.id, tmp_path / "one worker").path.read_bytes()
    with pytest.raises(KilledError):
        upload_file(
            library.ledger,
            found.id,
            bursar.open(kill_at=kill_at, after_the_call=after_the_call),
            tmp_path / "one worker",
        )
    taken = {name: data for name, data in bursar.files().items() if not name.startswith(".")} if is_collected else {}
    for name in taken:
        (bursar.folder / "out" / name).unlink()
    if taken and (kill_at, after_the_call) == (CALLS.index("rename"), True):  # the answer is not recorded
        with pytest.raises(UnclearDeliveryError):
            upload_file(library.ledger, found.id, bursar.open(), tmp_path / "another worker")
        assert (taken, bursar.files()) == ({found.file_name: content}, {})
        return
    upload_file(library.ledger, found.id, bursar.open(), tmp_path / "another worker")
    assert [*taken.items(), *bursar.files().items()] == [(found.file_name, content)]
    close_fines(library.ledger, found.id)
    assert is_exported_once(library, found)


@pytest.mark.parametrize("kill_at", range(len(CALLS)))
def test_the_next_run_recovers_the_batch_of_a_killed_one(
    library: Library, bursar: ExportServer, tmp_path: Path, kill_at: int
) -> None:
    found = select_batch(library)
    with pytest.raises(KilledError):
        upload_file(library.ledger, found.id, bursar.open(kill_at=kill_at, after_the_call=True), tmp_path)
    (ended,) = bursar.recover_batches(library, tmp_path)
    following = select_fines(library.ledger, make_profile(), make_settings(), run_id="run 2", as_of=NOW)
    if ended.state is BatchState.RELEASED:
        assert (kill_at, following.fines) == (0, 3)
        upload_file(library.ledger, following.id, bursar.open(), tmp_path)
        found = close_fines(library.ledger, following.id)
    else:
        assert (ended.state, following.fines) == (BatchState.CLOSED, 0)
    assert list(bursar.files()) == [found.file_name]
    assert is_exported_once(library, found)


def test_the_next_run_does_not_recover_the_batch_of_an_active_run(
    library: Library, bursar: ExportServer, tmp_path: Path
) -> None:
    found = select_batch(library)
    ended = bursar.recover_batches(library, tmp_path, active="run 1")
    assert (ended, get_state(library, found)) == ([], BatchState.SELECTED)
    assert select_fines(library.ledger, make_profile(), make_settings(), run_id="run 2", as_of=NOW).fines == 0


def test_the_batch_of_another_profile_is_not_recovered(library: Library, bursar: ExportServer, tmp_path: Path) -> None:
    found = select_batch(library)
    assert not bursar.recover_batches(library, tmp_path, profile="STAFF")
    assert get_state(library, found) is BatchState.SELECTED


def test_a_repeated_task_after_success_sends_nothing(library: Library, bursar: ExportServer, tmp_path: Path) -> None:
    found = select_batch(library)
    upload_file(library.ledger, found.id, bursar.open(), tmp_path)
    (bursar.folder / "out" / found.file_name).unlink()  # the bursar has collected it
    for _ in range(2):
        upload_file(library.ledger, found.id, bursar.open(), tmp_path)
        close_fines(library.ledger, found.id)
    upload_file(library.ledger, found.id, bursar.open(), tmp_path)
    assert bursar.files() == {}
    assert len(bursar.kill_switches) == 1
    assert is_exported_once(library, found)


def test_a_file_of_the_same_name_is_never_overwritten(library: Library, bursar: ExportServer, tmp_path: Path) -> None:
    found = select_batch(library)
    (bursar.folder / "out" / found.file_name).write_bytes(b"theirs")
    with pytest.raises(RemoteFolderError, match="never replaced"):
        upload_file(library.ledger, found.id, bursar.open(), tmp_path)
    assert bursar.files() == {found.file_name: b"theirs"}
    assert get_state(library, found) is BatchState.BUILT


def test_a_file_of_the_same_name_after_a_crash_is_an_error(
    library: Library, bursar: ExportServer, tmp_path: Path
) -> None:
    found = select_batch(library)
    with pytest.raises(KilledError):
        upload_file(library.ledger, found.id, bursar.open(kill_at=4), tmp_path)
    (bursar.folder / "out" / found.file_name).write_bytes(b"theirs")
    with pytest.raises(RemoteFolderError, match="never replaced"):
        upload_file(library.ledger, found.id, bursar.open(), tmp_path)
    assert get_state(library, found) is BatchState.PART_COMPLETE
    assert bursar.files()[found.file_name] == b"theirs"


def test_an_incomplete_part_is_written_again(library: Library, bursar: ExportServer, tmp_path: Path) -> None:
    found = select_batch(library)
    with pytest.raises(KilledError):
        upload_file(library.ledger, found.id, bursar.open(kill_at=4), tmp_path)
    content = build_file(library.ledger, found.id, tmp_path).path.read_bytes()
    (part,) = (bursar.folder / "out").iterdir()
    part.write_bytes(content[:100])
    upload_file(library.ledger, found.id, bursar.open(), tmp_path)
    assert bursar.files() == {found.file_name: content}


def test_a_connection_to_another_folder_is_an_error_after_a_crash(
    library: Library, owned_ledger: Engine, bursar: ExportServer, tmp_path: Path
) -> None:
    found = select_batch(library)
    with pytest.raises(KilledError):
        upload_file(library.ledger, found.id, bursar.open(kill_at=4), tmp_path)
    with owned_ledger.begin() as connection:
        connection.execute(text("UPDATE batches SET output_file_path = 'elsewhere'"))
    with pytest.raises(BatchError, match="leads to .*elsewhere"):
        upload_file(library.ledger, found.id, bursar.open(), tmp_path)
    assert get_state(library, found) is BatchState.PART_COMPLETE


def test_simultaneous_workers_upload_one_file(library: Library, bursar: ExportServer, tmp_path: Path) -> None:
    found = select_batch(library)
    build_file(library.ledger, found.id, tmp_path)

    def attempt(_: int) -> bool:
        try:
            upload_file(library.ledger, found.id, bursar.open(), tmp_path)
        except TransientError as error:
            assert "Another worker" in str(error)  # noqa: PT017  any of the workers may be late
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert any(pool.map(attempt, range(4)))
    assert sum(kill_switch.acts.count("rename") for kill_switch in bursar.kill_switches) == 1
    assert list(bursar.files()) == [found.file_name]
