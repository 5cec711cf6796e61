"""Resends of batches with several files: each file is sent once more, whatever is killed."""

from contextlib import suppress
from pathlib import Path

import pytest

from bursar.errors import RemoteFolderError
from bursar.exports.close import close_fines
from bursar.exports.resend import resend_batch
from bursar.exports.upload import upload_file
from bursar.ledger.batches import Batch
from tests.support.export_server import ExportServer
from tests.support.fault_injection import KilledError
from tests.support.fixtures import Library
from tests.support.several_files import is_each_exported_once


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("kill_at", [0, 1, 4, 7, 11, 14, 18, 20])
def test_a_resend_that_is_killed_and_repeated_sends_each_file_once_more(
    library: Library,
    bursar: ExportServer,
    apart: Batch,
    contents: dict[str, bytes],
    tmp_path: Path,
    kill_at: int,
    after: bool,
) -> None:
    upload_file(library.ledger, apart.id, bursar.open(), tmp_path)
    close_fines(library.ledger, apart.id)
    with pytest.raises(RemoteFolderError, match="is still in .*: the bursar has not collected it yet"):
        _resend(library, bursar, apart, tmp_path)
    for name in bursar.files():
        (bursar.folder / "out" / name).unlink()
    with suppress(KilledError):
        _resend(library, bursar, apart, tmp_path, kill_at=kill_at + 3, after_the_call=after)
    _resend(library, bursar, apart, tmp_path)
    _resend(library, bursar, apart, tmp_path)
    assert bursar.files() == contents
    assert library.one("SELECT count(delivered_at) FROM deliveries WHERE kind = 'resend'") == len(apart.files)
    assert is_each_exported_once(library, apart)


def _resend(
    library: Library,
    bursar: ExportServer,
    batch: Batch,
    work_dir: Path,
    *,
    kill_at: int | None = None,
    after_the_call: bool = False,
) -> None:
    resend_batch(
        library.ledger,
        "STUDENTS",
        batch.id,
        run_id="again",
        requested_by="lea",
        open_folder=bursar.open(kill_at=kill_at, after_the_call=after_the_call),
        work_dir=work_dir,
    )
