"""Failures during a build: the task fails with the original error, and leaves neither files nor sessions."""

import resource
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Engine, text

from bursar.errors import BatchError, TransientError
from bursar.exports import build
from bursar.exports.build import build_file
from bursar.exports.selection import select_fines
from bursar.exports.upload import upload_file
from bursar.exports.upload_lock import upload_lock
from bursar.ledger.batches import Batch, BatchState
from demo.postgres import Postgres
from tests.support.export_server import ExportServer
from tests.support.fixtures import NOW, Library, make_profile, make_settings

FINES = 2_500
"""More fines than the build renders before the check reads the first one."""


@pytest.fixture
def large_batch(library: Library) -> Batch:
    """Selects a batch of many fines."""
    user = library.user()
    library.fine(user=user)
    with library.ledger.begin() as connection:
        connection.execute(
            text(
                "WITH many AS (INSERT INTO fines (user_id, fine_fee_type, currency, amount, created_at)"
                " SELECT user_id, fine_fee_type, currency, amount, created_at FROM fines, generate_series(2, :fines)"
                " RETURNING id, amount)"
                " INSERT INTO journal_entries (fine_id, entry_type, balance_change) SELECT id, 'CHARGED', amount "
                "FROM many"
            ),
            {"fines": FINES},
        )
    return select_fines(library.ledger, make_profile(), make_settings(), run_id="run", as_of=NOW)


@contextmanager
def limit_file_size(size: int) -> Iterator[None]:
    """Limits the files of this process to `size` bytes, which has the effect of a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def list_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def has_no_other_session(library: Library) -> bool:
    sessions = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"
    )
    deadline = time.monotonic() + 10
    while library.one(sessions):  # the server may not have ended the last query yet
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.parametrize("size", [0, 100_000, 1_000_000])
def test_a_full_disk_ends_the_build_immediately(
    library: Library, large_batch: Batch, tmp_path: Path, size: int
) -> None:
    begun = time.monotonic()
    with (
        limit_file_size(size),
        pytest.raises(TransientError, match=f"{large_batch.file_name}: the disk of this machine is full"),
    ):
        build_file(library.ledger, large_batch.id, tmp_path)
    assert time.monotonic() - begun < 10
    assert not list_files(tmp_path)
    assert has_no_other_session(library)
    assert build_file(library.ledger, large_batch.id, tmp_path).path.stat().st_size > size


def test_a_rejected_file_ends_the_build_immediately(
    library: Library, owned_ledger: Engine, large_batch: Batch, tmp_path: Path
) -> None:
    with owned_ledger.begin() as connection:
        connection.execute(text("UPDATE batch_lines SET currency = '<!--' WHERE number = 1"))
    begun = time.monotonic()
    with pytest.raises(BatchError, match="was not sent: it has a comment"):
        build_file(library.ledger, large_batch.id, tmp_path)
    assert time.monotonic() - begun < 10
    assert not list_files(tmp_path)
    assert has_no_other_session(library)


def test_an_upload_whose_build_fails_releases_its_lock(
    library: Library, large_batch: Batch, bursar: ExportServer, tmp_path: Path
) -> None:
    with limit_file_size(100_000), pytest.raises(TransientError, match="disk of this machine is full"):
        upload_file(library.ledger, large_batch.id, bursar.open(), tmp_path)
    with upload_lock(library.ledger, large_batch.id):
        assert bursar.files() == {}


def test_a_lost_connection_during_the_build_is_a_transient_error(
    library: Library, postgres: Postgres, large_batch: Batch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = build._tee_to_file  # noqa: SLF001

    def end_connection(blocks: Iterator[bytes], *others: Any) -> Any:
        for number, block in enumerate(original(blocks, *others)):
            yield block
            if number == 2:
                with postgres.connect() as connection:
                    connection.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY%'"
                    )

    monkeypatch.setattr(build, "_tee_to_file", end_connection)
    with pytest.raises(TransientError, match="The ledger failed"):
        build_file(library.ledger, large_batch.id, tmp_path)
    assert not list_files(tmp_path)


def test_two_simultaneous_builds_of_a_batch_succeed(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have read the batch before either records its file."""
    library.fine()
    found = select_fines(library.ledger, make_profile(), make_settings(), run_id="run", as_of=NOW)
    both, original = Barrier(2), build._record  # noqa: SLF001

    def record(*arguments: Any) -> None:
        both.wait(10)
        original(*arguments)

    monkeypatch.setattr(build, "_record", record)
    with ThreadPoolExecutor(2) as pool:
        built = list(pool.map(lambda worker: build_file(library.ledger, found.id, tmp_path / worker), ["1", "2"]))
    assert built[0].sha256 == built[1].sha256
    assert library.one("SELECT state FROM batches_with_state") == BatchState.BUILT


def test_a_release_during_the_build_is_an_error(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.fine()
    found = select_fines(library.ledger, make_profile(), make_settings(), run_id="run", as_of=NOW)
    original = build._record  # noqa: SLF001

    def record(*arguments: Any) -> None:
        library._run("UPDATE batches SET released_at = now()")  # noqa: SLF001
        original(*arguments)

    monkeypatch.setattr(build, "_record", record)
    with pytest.raises(BatchError, match="was released"):
        build_file(library.ledger, found.id, tmp_path)
