"""Uploads of batches with several files: each arrives once, whatever is killed, and the done file comes last."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from bursar.errors import BursarError, UnclearDeliveryError
from bursar.exports.build import build_files
from bursar.exports.close import close_fines
from bursar.exports.repeat import repeat_upload
from bursar.exports.upload import confirm_delivered, upload_file
from bursar.layouts.layout import Layout
from bursar.ledger.batches import Batch, BatchState, get_batch
from bursar.profiles.upload import UploadSettings
from demo.postgres import Postgres
from tests.exports.test_direct_upload import counted
from tests.exports.test_upload_protocol import end_dag_sessions, stalling
from tests.support.export_server import ExportServer, get_state
from tests.support.fault_injection import KilledError, KillSwitch
from tests.support.fixtures import Library
from tests.support.several_files import APART, is_each_exported_once, select_apart

Write = Callable[[str], Layout]

CALLS_OF_FILE = ["size", "write", "size", "sha256", "rename", "size", "sha256"]
FILES = 3
ACTS_BEFORE_RENAME = 10
"""The acts of a worker before the first file gets its name; the tests of batches with one file kill it there."""


def final_files(bursar: ExportServer) -> dict[str, bytes]:
    return {name: data for name, data in bursar.files().items() if not name.startswith(".")}


def is_complete(name: str, data: bytes) -> bool:
    """Returns whether the bursar can see that a file is complete."""
    return name.endswith(".done") or data.startswith(b"END,") or b"\nEND," in data


def read_batch(library: Library, batch: Batch) -> Batch:
    with library.ledger.connect() as connection:
        return get_batch(connection, batch.id)


def test_the_files_arrive_in_their_order_and_the_batch_is_delivered_with_the_last(
    library: Library, bursar: ExportServer, apart: Batch, contents: dict[str, bytes], tmp_path: Path
) -> None:
    states: list[tuple[set[str], BatchState]] = []
    for kill_at in (len(CALLS_OF_FILE), 2 * len(CALLS_OF_FILE)):
        with pytest.raises(KilledError):
            upload_file(library.ledger, apart.id, bursar.open(kill_at=kill_at - 7 * len(states)), tmp_path)
        states.append(({*final_files(bursar)}, get_state(library, apart)))
    names = list(contents)
    assert states == [({*names[:1]}, BatchState.UPLOADING), ({*names[:2]}, BatchState.UPLOADING)]
    assert upload_file(library.ledger, apart.id, bursar.open(), tmp_path).state is BatchState.DELIVERED
    assert bursar.files() == contents
    assert [file.bursar_size for file in read_batch(library, apart).files] == [*map(len, contents.values())]


def test_an_upload_makes_these_calls(library: Library, bursar: ExportServer, apart: Batch, tmp_path: Path) -> None:
    """The next tests kill the worker at each of these calls."""
    upload_file(library.ledger, apart.id, bursar.open(), tmp_path)
    assert bursar.kill_switches[0].acts == CALLS_OF_FILE * FILES


@pytest.mark.parametrize(("method", "is_collected"), [("dot", True), ("direct", False)])
def test_killed_at_any_act_and_repeated_each_file_arrives_once(
    library: Library,
    bursar: ExportServer,
    write_layout: Write,
    tmp_path: Path,
    is_collected: bool,
    method: str,
) -> None:
    """Each act is a request or a commit. The bursar may take each file as soon as it is complete.

    Files that stay in the folder under dot names: the tests of batches with one file.
    """
    write_layout(APART)
    settings = UploadSettings.model_validate({"method": method})
    questions = 0
    for kill_at in range(ACTS_BEFORE_RENAME, 100):
        library.fine(amount="12.50")
        library.fine(amount="-7.25")
        batch = select_apart(library, f"kill {kill_at}")
        folder = tmp_path / str(kill_at)
        switch = KillSwitch(kill_at)
        taken: list[tuple[str, bytes]] = []

        def take(taken: list[tuple[str, bytes]] = taken) -> None:
            for name, data in final_files(bursar).items():
                if is_collected and is_complete(name, data):
                    taken.append((name, data))
                    (bursar.folder / "out" / name).unlink()

        with suppress(KilledError), switch.watch_commits(library.ledger):
            upload_file(library.ledger, batch.id, counted(bursar, switch), folder, settings)
        take()
        for _ in range(FILES + 1):
            try:
                upload_file(library.ledger, batch.id, bursar.open(), folder, settings)
            except UnclearDeliveryError:
                questions += 1
                found = read_batch(library, batch)
                unclear = [file.name for file in found.files if file.state == "UNCLEAR"]
                assert len(unclear) == 1
                if unclear[0] in dict(taken):
                    confirm_delivered(library.ledger, batch.id, by="lea")
                else:  # what there is of it is removed first, as the release check demands
                    (bursar.folder / "out" / unclear[0]).unlink(missing_ok=True)
                    repeat_upload(library.ledger, batch.id, by="lea")
            take()
        assert close_fines(library.ledger, batch.id).state is BatchState.CLOSED
        whole = [
            (file.name, file.path.read_bytes()) for file in build_files(library.ledger, batch.id, folder / "again")
        ]
        assert sorted([*taken, *bursar.files().items()]) == sorted(whole)
        assert is_each_exported_once(library, batch)
        for name in bursar.files():
            (bursar.folder / "out" / name).unlink()
        if kill_at >= len(switch.acts):
            break
    else:
        raise AssertionError("the upload has more acts than expected")
    assert questions


@pytest.mark.parametrize(
    ("at", "after"),
    [
        *((4, after) for after in (False, True)),  # the first file's rename
        *((6, True), (7, False), (7, True), (8, True)),  # from one file to the next
        *((11, after) for after in (False, True)),
        *((13, True), (14, False)),
        (len(CALLS_OF_FILE) * FILES - 1, True),
    ],
)
def test_a_worker_that_lost_its_lock_changes_nothing_for_the_one_that_took_over(  # noqa: PLR0917
    library: Library,
    postgres: Postgres,
    bursar: ExportServer,
    apart: Batch,
    contents: dict[str, bytes],
    tmp_path: Path,
    at: int,
    after: bool,
) -> None:
    """The tests of batches with one file stop it at each of its calls."""

    def meanwhile() -> None:
        end_dag_sessions(postgres)
        upload_file(library.ledger, apart.id, bursar.open(), tmp_path / "second")
        close_fines(library.ledger, apart.id)

    first = stalling(bursar, at, after=after, meanwhile=meanwhile)
    assert upload_file(library.ledger, apart.id, first, tmp_path / "first").state is BatchState.CLOSED
    assert bursar.files() == contents
    assert is_each_exported_once(library, apart)


@pytest.mark.parametrize("kill_at", [0, 2, 7, 9, 13, 16])
def test_the_next_run_recovers_the_batch_of_a_killed_one(
    library: Library, bursar: ExportServer, apart: Batch, contents: dict[str, bytes], tmp_path: Path, kill_at: int
) -> None:
    with pytest.raises(KilledError):
        upload_file(library.ledger, apart.id, bursar.open(kill_at=kill_at), tmp_path)
    (ended,) = bursar.recover_batches(library, tmp_path)
    following = select_apart(library, "run 2")
    if not kill_at:
        assert (ended.state, following.fines) == (BatchState.RELEASED, 4)
        return
    assert (ended.state, following.fines) == (BatchState.CLOSED, 0)
    assert bursar.files() == contents
    assert is_each_exported_once(library, apart)


def test_a_file_of_an_earlier_export_delays_all_files(
    library: Library, bursar: ExportServer, apart: Batch, tmp_path: Path
) -> None:
    upload_file(library.ledger, apart.id, bursar.open(), tmp_path)
    close_fines(library.ledger, apart.id)
    for file in apart.files[:1]:
        (bursar.folder / "out" / file.name).unlink()
    library.fine()
    following = select_apart(library, "run 2")
    waiting = UploadSettings(previous_file="wait")
    with pytest.raises(BursarError, match=f"{apart.files[1].name} and 1 more of an earlier export"):
        upload_file(library.ledger, following.id, bursar.open(), tmp_path, waiting)
    for file in apart.files[1:]:
        (bursar.folder / "out" / file.name).unlink()
    assert upload_file(library.ledger, following.id, bursar.open(), tmp_path, waiting).was_delivered
