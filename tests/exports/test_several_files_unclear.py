"""Batches with several files that a person decides about: what may be released, confirmed and sent again."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bursar.errors import BatchError, BursarError, UnclearDeliveryError
from bursar.exports.build import build_files
from bursar.exports.close import close_fines
from bursar.exports.recover import release_batch
from bursar.exports.release_check import check_not_on_server
from bursar.exports.repeat import repeat_upload
from bursar.exports.upload import confirm_delivered, upload_file
from bursar.layouts.layout import Layout
from bursar.ledger.batches import Batch, BatchState
from bursar.profiles.upload import UploadSettings
from tests.exports.test_direct_upload import counted
from tests.exports.test_upload_protocol import TakesAway, taken_by
from tests.support.export_server import ExportServer, get_state
from tests.support.fault_injection import KilledError, KillSwitch
from tests.support.fixtures import Library
from tests.support.odd_servers import CollectsImmediately, odd_server, received
from tests.support.several_files import APART, DONE_FILE, select_apart

Write = Callable[[str], Layout]

ACTS_BEFORE_RENAME = 10

"""The acts of a worker before the first file gets its name; the tests of batches with one file kill it there."""

COLLECTED = UploadSettings(method="direct", collected_immediately=True)


def test_a_batch_with_a_delivered_file_is_not_released(
    library: Library, bursar: ExportServer, apart: Batch, tmp_path: Path
) -> None:
    with pytest.raises(KilledError):
        upload_file(library.ledger, apart.id, bursar.open(kill_at=7), tmp_path)
    charges = apart.files[0].name
    with pytest.raises(BatchError, match=f"{charges} has been delivered, and its fines would be billed twice"):
        release_batch(library.ledger, apart.id, confirmed_not_received=True)
    assert get_state(library, apart) is BatchState.UPLOADING


def test_before_a_file_is_delivered_the_batch_can_be_released_if_none_is_on_the_server(
    library: Library, bursar: ExportServer, apart: Batch, tmp_path: Path
) -> None:
    with pytest.raises(KilledError):
        upload_file(library.ledger, apart.id, bursar.open(kill_at=2), tmp_path)
    (bursar.folder / "out" / apart.files[1].name).write_bytes(b"credits, brought by hand")

    def look(found: Batch) -> None:
        check_not_on_server(library.ledger, found, bursar.open(), say=said.append)

    said: list[str] = []
    with pytest.raises(BatchError, match=f"was not released: {apart.files[1].name} is still in"):
        release_batch(library.ledger, apart.id, confirmed_not_received=True, look=look)
    assert f"there is no {apart.files[0].name}." in " ".join(said)
    (bursar.folder / "out" / apart.files[1].name).unlink()
    assert release_batch(library.ledger, apart.id, confirmed_not_received=True, look=look).state is BatchState.RELEASED
    assert select_apart(library, "run 2").fines == 4


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[ExportServer]:
    with odd_server(TakesAway, tmp_path / "mailbox") as server:
        yield server


def test_an_unclear_file_stops_the_others_until_a_person_has_confirmed_it(
    library: Library, mailbox: ExportServer, apart: Batch, contents: dict[str, bytes], tmp_path: Path
) -> None:
    for number, name in enumerate(contents):
        with pytest.raises(UnclearDeliveryError, match=f"may have handed {name} ") as raised:
            upload_file(library.ledger, apart.id, mailbox.open(), tmp_path)
        assert ("release" in str(raised.value)) == (number == 0)
        assert sorted(taken_by(mailbox)) == sorted(list(contents.values())[: number + 1])
        confirmed = confirm_delivered(library.ledger, apart.id, by="lea")
        assert confirmed.was_delivered == (number == 2)
    upload_file(library.ledger, apart.id, mailbox.open(), tmp_path)
    assert sorted(taken_by(mailbox)) == sorted(contents.values())
    assert close_fines(library.ledger, apart.id).state is BatchState.CLOSED


def test_an_unclear_file_that_has_not_arrived_is_sent_again_and_no_other(
    library: Library,
    bursar: ExportServer,
    mailbox: ExportServer,
    apart: Batch,
    contents: dict[str, bytes],
    tmp_path: Path,
) -> None:
    with pytest.raises(KilledError):
        upload_file(library.ledger, apart.id, bursar.open(kill_at=7), tmp_path)
    with pytest.raises(BatchError, match="not unclear"):
        repeat_upload(library.ledger, apart.id, by="lea")
    library._run("UPDATE deliveries SET remote_folder = NULL")  # noqa: SLF001  the other server is the same one
    with pytest.raises(UnclearDeliveryError, match=f"repeat-upload {apart.id}"):
        upload_file(library.ledger, apart.id, mailbox.open(), tmp_path)
    assert taken_by(mailbox) == [list(contents.values())[1]]
    library._run("UPDATE deliveries SET remote_folder = NULL")  # noqa: SLF001
    assert repeat_upload(library.ledger, apart.id, by="lea").state is BatchState.UPLOADING
    assert library.one("SELECT repeated_by FROM deliveries WHERE repeated_by IS NOT NULL") == "lea"
    upload_file(library.ledger, apart.id, bursar.open(), tmp_path)
    assert bursar.files() == contents
    assert close_fines(library.ledger, apart.id).state is BatchState.CLOSED


def test_nothing_can_be_confirmed_between_two_files(
    library: Library, bursar: ExportServer, apart: Batch, tmp_path: Path
) -> None:
    """The first file is delivered, and the upload of the second one has not begun."""
    with pytest.raises(KilledError):
        upload_file(library.ledger, apart.id, bursar.open(kill_at=7), tmp_path)
    with pytest.raises(BatchError, match="has nothing to confirm"):
        confirm_delivered(library.ledger, apart.id, by="lea")


def test_a_server_that_collects_immediately_gets_each_file_once(
    library: Library, write_layout: Write, tmp_path: Path
) -> None:
    write_layout(APART + DONE_FILE)
    for kill_at in range(ACTS_BEFORE_RENAME, 100):
        library.fine(amount="12.50")
        library.fine(amount="-7.25")
        batch = select_apart(library, f"kill {kill_at}")
        switch = KillSwitch(kill_at)
        with odd_server(CollectsImmediately, tmp_path / str(kill_at)) as server:
            with suppress(KilledError), switch.watch_commits(library.ledger):
                upload_file(library.ledger, batch.id, counted(server, switch), tmp_path / "work", COLLECTED)
            for _ in range(2):
                with suppress(BursarError):
                    upload_file(library.ledger, batch.id, server.open(), tmp_path / "work", COLLECTED)
            sent = received(server)
        wholes = [
            file.path.read_bytes() for file in build_files(library.ledger, batch.id, tmp_path / f"{kill_at} again")
        ]
        full = [data for data in sent if data]
        assert len(set(full)) == len(full)
        assert set(full) <= set(wholes)
        if get_state(library, batch) is BatchState.DELIVERED:
            assert sorted(sent) == sorted(wholes)
        else:
            assert get_state(library, batch) is BatchState.UNCLEAR
        if kill_at >= len(switch.acts):
            return
    raise AssertionError("the upload has more acts than expected")
