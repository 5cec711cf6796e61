"""A file of an earlier export that the bursar has not collected: ignored, waited for, or an error."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bursar.errors import PreviousFileError, TransientError
from bursar.exports.close import close_fines
from bursar.exports.recover import recover_unfinished_batches
from bursar.exports.resend import resend_batch
from bursar.exports.selection import select_fines
from bursar.exports.upload import upload_file
from bursar.layouts.layout import Layout
from bursar.ledger.batches import Batch
from bursar.profiles.upload import UploadSettings
from tests.support.export_server import ExportServer
from tests.support.fault_injection import KilledError
from tests.support.fixtures import NOW, Library, make_profile, make_settings
from tests.support.several_files import APART, select_apart

FAIL = UploadSettings(previous_file="fail")
WAIT = UploadSettings(previous_file="wait")


def select(library: Library, run_id: str) -> Batch:
    library.fine()
    return select_fines(library.ledger, make_profile(), make_settings(), run_id=run_id, as_of=NOW)


@pytest.fixture
def earlier(library: Library, bursar: ExportServer, tmp_path: Path) -> Batch:
    """A batch whose file is still in the output folder."""
    found = select(library, "run 1")
    upload_file(library.ledger, found.id, bursar.open(), tmp_path)
    return close_fines(library.ledger, found.id)


def test_by_default_the_next_file_joins_it(
    library: Library, bursar: ExportServer, earlier: Batch, tmp_path: Path
) -> None:
    found = select(library, "run 2")
    upload_file(library.ledger, found.id, bursar.open(), tmp_path)
    assert set(bursar.files()) == {earlier.file_name, found.file_name}


@pytest.mark.parametrize("method", ["dot", "suffix", "direct"])
@pytest.mark.parametrize(("policy", "error"), [("fail", PreviousFileError), ("wait", TransientError)])
def test_nothing_is_uploaded_before_it_has_been_collected(
    library: Library,
    bursar: ExportServer,
    earlier: Batch,
    tmp_path: Path,
    method: str,
    policy: str,
    error: type[Exception],
) -> None:
    settings = UploadSettings.model_validate({"method": method, "previous_file": policy})
    found = select(library, "run 2")
    with pytest.raises(error, match=f"{earlier.file_name} of an earlier export is still in sftp://") as raised:
        upload_file(library.ledger, found.id, bursar.open(), tmp_path, settings)
    assert isinstance(raised.value, TransientError) == (policy == "wait")
    assert set(bursar.files()) == {earlier.file_name}

    (bursar.folder / "out" / earlier.file_name).unlink()
    assert upload_file(library.ledger, found.id, bursar.open(), tmp_path, settings).was_delivered
    assert set(bursar.files()) == {found.file_name}


@pytest.mark.parametrize("policy", ["wait", "fail"])
def test_a_file_that_the_batch_has_delivered_is_its_own_though_earlier_ones_had_its_name(
    library: Library, bursar: ExportServer, write_layout: Callable[[str], Layout], tmp_path: Path, policy: str
) -> None:
    """The bursar collects the files of a batch with the done file, so none of them may wait for that."""
    write_layout(APART.replace("{batch}-", "") + 'done_file: "all.done"\n')
    settings = UploadSettings.model_validate({"previous_file": policy})
    names = {"charges.csv", "credits.csv", "all.done"}
    for run_id in ("run 1", "run 2"):
        library.fine(amount="12.50")
        library.fine(amount="-7.25")
        batch = select_apart(library, run_id)
        assert upload_file(library.ledger, batch.id, bursar.open(), tmp_path, settings).was_delivered
        close_fines(library.ledger, batch.id)
        assert set(bursar.files()) == names
        for name in names:
            (bursar.folder / "out" / name).unlink()


@pytest.mark.usefixtures("earlier")
def test_a_complete_part_waits_for_its_name(library: Library, bursar: ExportServer, tmp_path: Path) -> None:
    found = select(library, "run 2")
    with pytest.raises(KilledError):  # before it renames its part
        upload_file(library.ledger, found.id, bursar.open(kill_at=4), tmp_path)
    with pytest.raises(PreviousFileError):
        upload_file(library.ledger, found.id, bursar.open(), tmp_path, FAIL)
    assert found.file_name not in bursar.files()


def test_files_of_others_do_not_count(library: Library, bursar: ExportServer, tmp_path: Path) -> None:
    (bursar.folder / "out" / "STAFF-1-20260301020014.xml").write_bytes(b"of another profile")
    (bursar.folder / "out" / "readme.txt").write_bytes(b"")
    found = select(library, "run 1")
    assert upload_file(library.ledger, found.id, bursar.open(), tmp_path, FAIL).was_delivered


@pytest.mark.usefixtures("earlier")
def test_an_export_that_could_not_begin_is_released_by_the_next_run(
    library: Library, bursar: ExportServer, tmp_path: Path
) -> None:
    found = select(library, "run 2")
    with pytest.raises(PreviousFileError):
        upload_file(library.ledger, found.id, bursar.open(), tmp_path, FAIL)
    (ended,) = recover_unfinished_batches(
        library.ledger,
        "STUDENTS",
        run_id="run 3",
        is_running=lambda _: False,
        open_folder=bursar.open(),
        work_dir=tmp_path,
        settings=FAIL,
    )
    assert (ended.id, ended.state) == (found.id, "RELEASED")


def test_a_resend_waits_for_the_files_of_other_batches(
    library: Library, bursar: ExportServer, earlier: Batch, tmp_path: Path
) -> None:
    other = select(library, "run 2")
    upload_file(library.ledger, other.id, bursar.open(), tmp_path)
    close_fines(library.ledger, other.id)
    (bursar.folder / "out" / earlier.file_name).unlink()
    with pytest.raises(TransientError, match=f"{other.file_name} of an earlier export is still"):
        resend_batch(
            library.ledger,
            "STUDENTS",
            earlier.id,
            run_id="again",
            requested_by="lea",
            open_folder=bursar.open(),
            work_dir=tmp_path,
            settings=WAIT,
        )
