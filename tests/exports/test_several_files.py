"""Batches with several files: each file arrives once, whatever is killed between them, and the done file comes last."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text

from bursar.db.queries import query
from bursar.errors import BatchError, BursarError, RemoteFolderError, UnclearDeliveryError
from bursar.exports.build import build_files
from bursar.exports.close import close_fines
from bursar.exports.recover import release_batch
from bursar.exports.release_check import check_not_on_server
from bursar.exports.repeat import repeat_upload
from bursar.exports.resend import resend_batch
from bursar.exports.selection import select_fines
from bursar.exports.upload import confirm_delivered, upload_file
from bursar.layouts.layout import Layout
from bursar.ledger import desk
from bursar.ledger.batches import Batch, BatchState, get_batch
from bursar.profiles.upload import UploadSettings
from bursar.reporting.build_report import build_export_report
from demo.postgres import Postgres
from tests.exports.test_direct_upload import counted
from tests.exports.test_upload_protocol import TakesAway, end_sessions, stalling, taken_by
from tests.support.export_server import ExportServer, get_state
from tests.support.fake_bursar import FakeBursar
from tests.support.fault_injection import KilledError, KillSwitch
from tests.support.fixtures import NOW, Library, make_settings, record_delivery
from tests.support.layouts import make_layout_profile
from tests.support.odd_servers import CollectsImmediately, odd_server, received
from tests.support.several_files import APART, DONE_FILE, add_both_sides, is_each_exported_once, select_apart

Write = Callable[[str], Layout]
CALLS_OF_FILE = ["size", "write", "size", "sha256", "rename", "size", "sha256"]
FILES = 3
ACTS_BEFORE_RENAME = 10
"""The acts of a worker before the first file gets its name; the tests of batches with one file kill it there."""
COLLECTED = UploadSettings(method="direct", collected_immediately=True)


@pytest.fixture
def apart(library: Library, write_layout: Write) -> Batch:
    """Returns a batch with charges, credits and a done file."""
    write_layout(APART + DONE_FILE)
    add_both_sides(library)
    return select_apart(library)


@pytest.fixture
def contents(library: Library, apart: Batch, tmp_path: Path) -> dict[str, bytes]:
    """Returns the bytes of the files of the batch by their names."""
    return {file.name: file.path.read_bytes() for file in build_files(library.ledger, apart.id, tmp_path / "reference")}


def final_files(bursar: ExportServer) -> dict[str, bytes]:
    return {name: data for name, data in bursar.files().items() if not name.startswith(".")}


def is_complete(name: str, data: bytes) -> bool:
    """Returns whether the bursar can see that a file is complete."""
    return name.endswith(".done") or data.startswith(b"END,") or b"\nEND," in data


def read_batch(library: Library, batch: Batch) -> Batch:
    with library.ledger.connect() as connection:
        return get_batch(connection, batch.id)


def test_charges_and_credits_have_files_of_their_own_with_totals_of_their_own(
    apart: Batch, contents: dict[str, bytes]
) -> None:
    charges, credits_, done = apart.files
    assert (charges.fines, credits_.fines, done.fines, apart.fines) == (2, 2, 0, 4)
    assert (charges.users, credits_.users, apart.users) == (1, 2, 3)
    lines = [data.decode().splitlines() for data in contents.values()]
    assert [[line.split(",")[1] for line in one] for one in lines[:2]] == [
        ["12.50", "3.00", "2"],
        ["-5.00", "-7.25", "2"],
    ]
    assert [one[-1] for one in lines[:2]] == ["END,2,15.50", "END,2,-12.25"]
    assert contents[done.name] == b""
    assert [file.name for file in apart.files] == [
        f"{apart.id}-charges.csv",
        f"{apart.id}-credits.csv",
        f"{apart.id}.done",
    ]
    assert apart.file_name == f"{apart.id}-charges.csv, {apart.id}-credits.csv, {apart.id}.done"


def test_an_empty_file_may_have_no_line_although_its_last_line_has_no_end(
    library: Library, write_layout: Write, tmp_path: Path
) -> None:
    lines, _ = APART.split("  - each: file")
    write_layout(f"last_line_end: no\n{lines}".replace("reversal]}", "reversal], if_empty: send}"))
    library.fine(amount="12.50")
    charges, credits_ = build_files(library.ledger, select_apart(library).id, tmp_path)
    assert charges.path.read_text().endswith(",12.50,")
    assert credits_.path.read_bytes() == b""


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


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("method", "is_collected"), [("dot", False), ("dot", True), ("direct", False)])
def test_killed_at_any_act_and_repeated_each_file_arrives_once(
    library: Library,
    bursar: ExportServer,
    write_layout: Write,
    tmp_path: Path,
    after: bool,
    is_collected: bool,
    method: str,
) -> None:
    """Each act is a request or a commit. The bursar may take each file as soon as it is complete."""
    write_layout(APART)
    settings = UploadSettings.model_validate({"method": method})
    questions = 0
    for kill_at in range(ACTS_BEFORE_RENAME, 100):
        library.fine(amount="12.50")
        library.fine(amount="-7.25")
        batch = select_apart(library, f"kill {kill_at}")
        folder = tmp_path / str(kill_at)
        switch = KillSwitch(kill_at, after)
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
    assert bool(questions) == (is_collected or method == "direct")


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", [*range(4, 16), len(CALLS_OF_FILE) * FILES - 1])  # from the first file's rename on
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
    def meanwhile() -> None:
        end_sessions(postgres)
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


# Unclear files: a server that takes each upload away, under whatever name.


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


@pytest.mark.parametrize("after", [False, True])
def test_a_server_that_collects_immediately_gets_each_file_once(
    library: Library, write_layout: Write, tmp_path: Path, after: bool
) -> None:
    write_layout(APART + DONE_FILE)
    for kill_at in range(ACTS_BEFORE_RENAME, 100):
        library.fine(amount="12.50")
        library.fine(amount="-7.25")
        batch = select_apart(library, f"kill {kill_at}")
        switch = KillSwitch(kill_at, after)
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


# Empty files, names and resends.


@pytest.mark.parametrize("amount", ["12.50", "-7.25"])
def test_a_file_without_fines_is_left_out(
    library: Library, bursar: ExportServer, write_layout: Write, tmp_path: Path, amount: str
) -> None:
    write_layout(APART + DONE_FILE)
    library.fine(amount=amount)
    batch = select_apart(library)
    left = "charges" if amount == "12.50" else "credits"
    assert [file.name for file in batch.files] == [f"{batch.id}-{left}.csv", f"{batch.id}.done"]
    assert upload_file(library.ledger, batch.id, bursar.open(), tmp_path).was_delivered
    assert list(bursar.files()) == [f"{batch.id}-{left}.csv", f"{batch.id}.done"]
    assert close_fines(library.ledger, batch.id).state is BatchState.CLOSED


def test_a_file_without_fines_is_sent_if_the_layout_says_so(
    library: Library, bursar: ExportServer, write_layout: Write, tmp_path: Path
) -> None:
    write_layout(APART.replace("kinds: [credit, reversal]", "kinds: [credit, reversal], if_empty: send"))
    library.fine(amount="12.50")
    batch = select_apart(library)
    upload_file(library.ledger, batch.id, bursar.open(), tmp_path)
    assert bursar.files()[f"{batch.id}-credits.csv"] == b"END,0,0.00\n"


def test_without_any_fine_there_is_no_file_and_no_done_file(library: Library, write_layout: Write) -> None:
    write_layout(APART.replace("kinds: charge", "kinds: charge, if_empty: send") + DONE_FILE)
    batch = select_apart(library)
    assert (batch.files, batch.state) == ((), BatchState.CLOSED)


def test_two_files_never_have_one_name(library: Library, write_layout: Write) -> None:
    write_layout(APART.replace("{batch}-charges.csv", "{batch:0}.csv").replace("{batch}-credits.csv", "{batch}.csv"))
    library.fine()
    with pytest.raises(BursarError, match=r"Two files of this export would have one name: \d+.csv, \d+.csv"):
        select_apart(library)


def test_an_unfinished_batch_keeps_the_names_of_all_its_files(library: Library, write_layout: Write) -> None:
    write_layout(APART.replace("{batch}-credits.csv", "credits.csv"))
    library.fine()
    library.fine(amount="-1.00")
    first = select_apart(library)
    library.fine()
    library.fine(amount="-1.00")
    with pytest.raises(BursarError, match=f"The file credits.csv is also that of batch {first.id}"):
        select_apart(library, "run 2")


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
    assert library.one("SELECT count(delivered_at) FROM deliveries WHERE kind = 'resend'") == FILES
    assert is_each_exported_once(library, apart)


def test_a_person_chooses_the_files_that_are_sent_again(
    library: Library, bursar: ExportServer, apart: Batch, contents: dict[str, bytes], tmp_path: Path
) -> None:
    upload_file(library.ledger, apart.id, bursar.open(), tmp_path)
    close_fines(library.ledger, apart.id)
    _, credits_, done = (file.name for file in apart.files)
    with pytest.raises(BatchError, match=f"has no file other.csv. It was sent as {apart.file_name}"):
        _resend(library, bursar, apart, tmp_path, file_names=("other.csv", credits_))
    for name in (credits_, done):
        (bursar.folder / "out" / name).unlink()
    _resend(library, bursar, apart, tmp_path, file_names=(done, credits_))  # the charges are still there
    assert bursar.files() == contents
    resent = "SELECT array_agg(file_number ORDER BY file_number) FROM deliveries WHERE kind = 'resend'"
    assert library.one(resent) == [2, 3]
    with library.ledger.connect() as connection:
        resends = connection.execute(query("commands/list_resends_of_batch"), {"batch_id": apart.id}).all()
        of_lines = {
            (
                line.amount > 0,
                connection.execute(query("commands/list_resends_of_fine"), {"fine_id": line.fine_id}).first() is None,
            )
            for line in connection.execute(
                text("SELECT fine_id, amount FROM batch_lines WHERE batch_id = :id"), {"id": apart.id}
            )
        }
    assert [row.file_name for row in resends] == [f"{credits_}, {done}"]
    assert of_lines == {(True, True), (False, False)}
    report = build_export_report(library.ledger, "STUDENTS", run_id="again", started_at=NOW, failed=[])
    assert report.files == (credits_, done)
    assert f"{credits_}, {done} of batch {apart.id}" in " ".join(report.messages)


def test_a_file_is_not_resent_while_an_unfinished_batch_has_its_name(
    library: Library, bursar: ExportServer, write_layout: Write, tmp_path: Path
) -> None:
    write_layout(APART.replace("{batch}-credits.csv", "credits.csv"))
    library.fine()
    library.fine(amount="-1.00")
    first = select_apart(library)
    upload_file(library.ledger, first.id, bursar.open(), tmp_path)
    close_fines(library.ledger, first.id)
    for name in bursar.files():
        (bursar.folder / "out" / name).unlink()
    library.fine(amount="-2.00")
    other = select_apart(library, "run 2")
    with pytest.raises(BatchError, match=f"credits.csv is also that of batch {other.id} of STUDENTS, which is not"):
        _resend(library, bursar, first, tmp_path)
    assert bursar.files() == {}
    _resend(library, bursar, first, tmp_path, run_id="charges", file_names=(f"{first.id}-charges.csv",))
    assert list(bursar.files()) == [f"{first.id}-charges.csv"]


def _resend(
    library: Library,
    bursar: ExportServer,
    batch: Batch,
    work_dir: Path,
    *,
    kill_at: int | None = None,
    after_the_call: bool = False,
    run_id: str = "again",
    file_names: tuple[str, ...] = (),
) -> None:
    resend_batch(
        library.ledger,
        "STUDENTS",
        batch.id,
        run_id=run_id,
        requested_by="lea",
        file_names=file_names,
        open_folder=bursar.open(kill_at=kill_at, after_the_call=after_the_call),
        work_dir=work_dir,
    )


def test_credits_for_another_profile_have_their_own_files(office: FakeBursar, write_layout: Write) -> None:
    """The bursar of the charges takes no credits, so its profile has no file of them; the other one has no charges."""
    write_layout(APART)
    library = office.library
    students = make_layout_profile(credits_profile="CREDITS")
    others = make_layout_profile(code="CREDITS").with_credits_of(("STUDENTS",))
    charge = library.fine(amount="20.00")
    sent = select_fines(library.ledger, students, make_settings(), run_id="charges", as_of=datetime.now(UTC))
    record_delivery(library.ledger, sent.id)
    close_fines(library.ledger, sent.id)
    with library.ledger.begin() as connection:
        desk.reverse_charge(connection, charge, Decimal("5.00"))
    following, credits_ = (
        select_fines(library.ledger, profile, make_settings(), run_id="credits", as_of=datetime.now(UTC))
        for profile in (students, others)
    )
    assert [file.name for file in sent.files] == [f"{sent.id}-charges.csv"]
    assert following.files == ()
    assert [(file.name, file.fines) for file in credits_.files] == [(f"{credits_.id}-credits.csv", 1)]


def test_days_of_both_files_are_those_of_the_selection(library: Library, write_layout: Write) -> None:
    write_layout(APART.replace("{batch}-", "{batch}-{exported_on:%Y%m%d}-"))
    add_both_sides(library)
    batch = select_apart(library, as_of=datetime.now(UTC))
    days = {file.name.split("-")[1] for file in batch.files}
    assert len(days) == 1
