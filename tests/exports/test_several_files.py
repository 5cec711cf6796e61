"""The files of a batch with several: their fines, totals and names, and which of them are left out."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from bursar.errors import BursarError
from bursar.exports.build import build_files
from bursar.exports.close import close_fines
from bursar.exports.selection import select_fines
from bursar.exports.upload import upload_file
from bursar.layouts.layout import Layout
from bursar.ledger import desk
from bursar.ledger.batches import Batch, BatchState
from tests.support.export_server import ExportServer
from tests.support.fake_bursar import FakeBursar
from tests.support.fixtures import Library, make_settings, record_delivery
from tests.support.layouts import make_layout_profile
from tests.support.several_files import APART, DONE_FILE, add_both_sides, select_apart

Write = Callable[[str], Layout]


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
