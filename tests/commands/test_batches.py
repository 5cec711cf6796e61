"""`bin/bursar batches`, on a real ledger."""

from getpass import getuser
from pathlib import Path

import click
import pytest
from sqlalchemy import Engine, text

from bursar.exports.selection import select_fines
from bursar.ledger.approvals import ApprovalSubject, insert_request
from bursar.ledger.batches import Batch
from bursar.ledger.deliveries import advance_delivery, list_deliveries, request_deliveries
from bursar.profiles.monitoring import Approval
from tests.support.cli import run, run_json
from tests.support.fake_bursar import FakeBursar
from tests.support.fixtures import NOW, Library, make_profile, make_settings, record_delivery
from tests.support.several_files import APART, save_layout, select_apart


def select(library: Library, run_id: str = "run 1", *, dry_run: bool = False) -> Batch:
    return select_fines(library.ledger, make_profile(), make_settings(), run_id=run_id, as_of=NOW, dry_run=dry_run)


def test_unfinished_batches_are_listed_and_released(library: Library) -> None:
    assert "Every batch has been completed or released." in run("batches", "list")
    library.fine()
    batch = select(library)
    output = run("batches", "list")
    assert "SELECTED" in output
    assert batch.file_name in output
    assert "12.50 USD" in output
    (found,) = run_json("batches", "list")
    assert (found["batch"], found["state"], found["fines"], found["as_of"]) == (
        1,
        "SELECTED",
        1,
        "2026-03-02T12:00:00Z",
    )
    assert found["totals"] == {"USD": {"charges": "12.50", "credits": "0.00", "net": "12.50"}}
    assert "Open again: 1 fine." in run("batches", "release", str(batch.id))
    assert "Every batch has been completed or released." in run("batches", "list")
    assert run_json("batches", "list") == []


def test_a_batch_that_waits_for_approval_says_so_until_it_is_released(library: Library) -> None:
    library.fine()
    batch = select(library)
    with library.ledger.begin() as connection:
        insert_request(connection, ApprovalSubject(batch_id=batch.id), ["1 fine"], Approval(), requested_by=None)
    for command in (("list",), ("show", str(batch.id))):
        assert f"Batch {batch.id} waits for approval since" in run("batches", *command).replace("\n", " ")
    run("batches", "release", str(batch.id))
    assert "waits for approval" not in run("batches", "list", "--all")


def test_an_unclear_batch_says_what_to_do_and_is_confirmed(library: Library) -> None:
    library.fine()
    batch = select(library)
    record_delivery(library.ledger, batch.id, "unclear", remote_folder="sftp://b/out")
    for command in (("list",), ("show", str(batch.id))):
        output = " ".join(run("batches", *command).split())
        assert f"Batch {batch.id} is unclear" in output
        assert f"`bin/bursar batches confirm-delivered {batch.id}`" in output
    assert "is DELIVERED. The next export run" in run("batches", "confirm-delivered", str(batch.id), "--yes")
    assert f"Confirmed by: {getuser()}" in " ".join(run("batches", "show", str(batch.id)).split())


def test_a_batch_that_can_not_be_confirmed_is_refused_before_the_question(library: Library) -> None:
    library.fine()
    batch = select(library)
    assert "its upload has not begun" in run("batches", "confirm-delivered", str(batch.id), exit_code=1)
    assert "There is no batch 99." in run("batches", "confirm-delivered", "99", exit_code=2)
    closed = FakeBursar(library).export()
    assert "nothing left to confirm" in run("batches", "confirm-delivered", str(closed), exit_code=1)


def add_resend(library: Library, owned_ledger: Engine) -> int:
    """Exports a batch and records that a librarian has had its file resent; returns the batch's number."""
    batch = FakeBursar(library).export()
    with owned_ledger.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO deliveries (batch_id, file_number, kind, run_id, requested_by, remote_folder,"
                " delivered_at)"
                " VALUES (:batch, 1, 'resend', 'again', 'librarian', 'sftp://b/out', '2026-03-04 05:06:07+00')"
            ),
            {"batch": batch},
        )
    return batch


def test_all_batches_show_dry_runs_and_resends(library: Library, owned_ledger: Engine) -> None:
    library.fine()
    dry = select(library, "dry", dry_run=True)
    sent = add_resend(library, owned_ledger)
    output = run("batches", "list", "--all")
    assert "DRY_RUN" in output
    assert [(found["batch"], found["state"], found["resends"]) for found in run_json("batches", "list", "--all")] == [
        (sent, "CLOSED", 1),
        (dry.id, "DRY_RUN", 0),
    ]
    assert len(run_json("batches", "list", "--all", "--limit", "1")) == 1
    assert "RESENT" in run("fines", "show", "1")
    assert "requested by librarian" in run("fines", "show", "1")


def test_a_batch_is_shown_with_its_file_skipped_fines_and_resends(library: Library, owned_ledger: Engine) -> None:
    library.fine()
    library.fine(library.user(None), "7.00")
    sent = add_resend(library, owned_ledger)
    output = " ".join(run("batches", "show", str(sent)).split())
    for fact in (
        f"Batch {sent} of STUDENTS: CLOSED",
        "Fines: 1 fine of 1 user",
        "charges 12.50 USD, credits 0.00 USD, net 12.50 USD",
        "the user has no identifier of the profile's type 1 1 7.00 USD",
        "2026-03-04 05:06 DELIVERED librarian sftp://b/out",
    ):
        assert fact in output
    found = run_json("batches", "show", str(sent))
    assert found["skipped"] == {"no_identifier": {"fines": 1, "users": 1, "net": {"USD": "7.00"}}}
    assert found["resends"][0]["delivered_at"] == "2026-03-04T05:06:07Z"


@pytest.fixture
def unclear_credits(library: Library, include: Path) -> Batch:
    """A batch whose charges are with the bursar, and whose file of credits is unclear."""
    (include / "layouts").mkdir()
    save_layout(include / "layouts", APART)
    library.fine(amount="12.50")
    library.fine(amount="-7.25")
    found = select_apart(library)
    with library.ledger.begin() as connection:
        charges, credits_ = request_deliveries(connection, found.id, "first", found.run_id)
        advance_delivery(connection, charges, "delivered", after=charges.state)
        facts = {"remote_folder": "sftp://b/out", "unclear_reason": "GONE"}
        advance_delivery(connection, credits_, "unclear", after=credits_.state, **facts)
    return found


def test_a_batch_with_two_files_shows_both_with_their_states(unclear_credits: Batch) -> None:
    number = str(unclear_credits.id)
    output = " ".join(run("batches", "show", number).split())
    assert f"File 1: {number}-charges.csv, 1 fine, delivered" in output
    assert f"File 2: {number}-credits.csv, 1 fine, unclear" in output
    assert f"may have handed {number}-credits.csv" in output
    assert f"The batch also has {number}-charges.csv." in output
    assert f"batches repeat-upload {number}" in output
    files = run_json("batches", "show", number)["files"]
    assert [(file["file_name"], file["fines"], file["state"]) for file in files] == [
        (f"{number}-charges.csv", 1, "DELIVERED"),
        (f"{number}-credits.csv", 1, "UNCLEAR"),
    ]


def test_both_files_are_built(unclear_credits: Batch, tmp_path: Path) -> None:
    rows = run_json("batches", "build-file", str(unclear_credits.id), "--into", str(tmp_path))
    assert [Path(row["path"]).read_bytes().splitlines()[-1] for row in rows] == [b"END,1,12.50", b"END,1,-7.25"]


def test_a_batch_with_a_delivered_file_is_not_released(unclear_credits: Batch) -> None:
    command = ("batches", "release", str(unclear_credits.id), "--confirm-not-received", "--despite-file")
    assert "charges.csv has been delivered, and its fines would be billed twice" in " ".join(
        run(*command, exit_code=1).split()
    )


def test_the_unclear_file_is_confirmed_and_the_batch_is_delivered(unclear_credits: Batch) -> None:
    assert "is DELIVERED" in run("batches", "confirm-delivered", str(unclear_credits.id), "--yes")


def test_an_answer_is_not_taken_for_files_that_have_changed_since_the_question(
    library: Library, unclear_credits: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(question: str, **_: bool) -> bool:
        """Says yes, after the credits have been delivered and the charges became unclear."""
        assert "credits.csv" in question
        with library.ledger.begin() as connection:
            charges, credits_ = list_deliveries(connection, unclear_credits.id, "first", unclear_credits.run_id)
            advance_delivery(connection, credits_, "delivered", after=credits_.state)
            steps = {"delivered_at": None, "unclear_reason": "GONE"}
            advance_delivery(connection, charges, "unclear", after=charges.state, **steps)
        return True

    monkeypatch.setattr(click, "confirm", answer)
    output = run("batches", "confirm-delivered", str(unclear_credits.id), exit_code=1)
    assert "has changed since you were asked" in " ".join(output.split())
    assert library.one("SELECT count(*) FROM deliveries WHERE unclear_at IS NOT NULL AND delivered_at IS NULL") == 1


def test_the_unclear_file_is_uploaded_again_with_the_name_of_the_person(
    library: Library, unclear_credits: Batch
) -> None:
    assert "is UPLOADING" in run("batches", "repeat-upload", str(unclear_credits.id), "--yes")
    assert library.one("SELECT repeated_by IS NOT NULL FROM deliveries WHERE file_number = 2")
    assert "not unclear" in run("batches", "repeat-upload", str(unclear_credits.id), "--yes", exit_code=1)


def test_the_file_of_a_dry_run_is_built(library: Library, tmp_path: Path) -> None:
    library.fine()
    dry = select(library, "dry", dry_run=True)
    output = run("batches", "build-file", str(dry.id), "--into", str(tmp_path))
    path = Path(output.split("  ")[0])
    assert path.name == dry.file_name
    assert b"<xb:sum>12.5</xb:sum>" in path.read_bytes()
