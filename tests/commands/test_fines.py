"""`bin/bursar fines`, on a real ledger."""

from pathlib import Path

from sqlalchemy import Engine, text

from bursar.exports.close import close_fines
from tests.commands.test_desk import allow_activity
from tests.support.cli import run, run_json
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fixtures import Library


def test_a_fine_is_shown_by_either_of_its_ids(library: Library, owned_ledger: Engine) -> None:
    office = FakeBursar(library)
    fine, transaction = office.export_fine("10.00")
    office.pay(Payment(transaction, "4"))
    office.pay(Payment(transaction, "0"), Payment(transaction, "8"))
    with owned_ledger.begin() as connection:
        connection.execute(text("UPDATE batch_lines SET transaction_id = 'T-' || transaction_id"))
    for number in (str(fine), f"T-{transaction}"):
        output = run("fines", "show", number)
        for fact in (
            "CHARGED",
            "EXPORTED",
            "PAID_AT_BURSAR",
            "a part of what was outstanding",
            "line 20: more than was outstanding; the rest became a credit (2.00 USD)",
            "NO EFFECT",
            "the sum is 0",
        ):
            assert fact in output
        assert "outstanding at the bursar 0.00 USD" in output


def test_a_fine_is_shown_as_json(library: Library) -> None:
    office = FakeBursar(library)
    fine, transaction = office.export_fine("10.00", owner=None)
    office.pay(Payment(transaction, "4"), Payment(transaction, "0"))
    (found,) = run_json("fines", "show", str(fine))
    assert (found["fine"], found["amount"], found["outstanding"], found["owner_library"]) == (
        fine,
        "10.00",
        "6.00",
        None,
    )
    assert [
        (entry["entry_type"], entry["balance_change"], entry["outstanding_change"]) for entry in found["journal"]
    ] == [
        ("CHARGED", "10.00", "0.00"),
        ("EXPORTED", "-10.00", "10.00"),
        ("PAID_AT_BURSAR", "0.00", "-4.00"),
    ]
    assert found["journal"][0]["posted_at"].endswith("Z")
    assert [record["outcome"] for record in found["records_without_effect"]] == ["NO_PAYMENT"]


def test_a_number_that_two_fines_have_shows_both(library: Library) -> None:
    paid = library.fine()
    run("desk", "pay", str(paid))
    fine, transaction = FakeBursar(library).export_fine("10.00")
    assert transaction == str(paid)
    assert [found["fine"] for found in run_json("fines", "show", transaction)] == [paid, fine]
    output = " ".join(run("fines", "show", transaction).split())
    ids = f"{paid} is the internal id of fine {paid}, and the transaction id under which fine {fine} was exported"
    assert f"{ids}. Both follow." in output


def test_file_names_are_shown_in_full_and_amounts_to_the_last_digit(library: Library, owned_ledger: Engine) -> None:
    office = FakeBursar(library)
    fine, _ = office.export_fine("1.234", currency="KWD", kind="[red]LOST")
    with owned_ledger.begin() as connection:
        connection.execute(
            text("UPDATE deliveries SET remote_folder = 'sftp://[fe80::1]/' || repeat('a-long-folder/', 9)")
        )
    output = run("fines", "show", str(fine))
    assert library.one("SELECT file_name FROM batch_files") in "".join(output.split())
    assert "+1.234 KWD" in output
    assert "sftp://[fe80::1]" in "".join(output.split())
    assert "[red]LOST" in output
    assert "…" not in output


def test_a_fine_shows_how_it_was_reversed(library: Library, include: Path) -> None:
    office = FakeBursar(library)
    fine, _ = office.export_fine("10.00")
    allow_activity(include)
    run("desk", "waive", str(fine), "4")
    output = run("desk", "reverse", str(fine), "6")
    assert "The bursar does not know yet that this credit reverses transaction 1." in " ".join(output.split())
    office.export(close=False)
    assert "Being reversed: in batch 2" in " ".join(run("fines", "show", str(fine)).split())
    preview = " ".join(run("profiles", "preview", "STUDENTS").split())
    assert "Would be skipped (another export" in preview
    close_fines(library.ledger, 2)
    output = " ".join(run("fines", "show", str(fine)).split())
    assert "Reversed by: credit 2" in output
    assert "transaction 2, batch 2, reverses 4.00 USD of transaction 1" in output
    assert "batch 2: offset against the credit that reverses it" in output
    assert "batch 2: offset against fine 1, which it reverses" in " ".join(run("fines", "show", "2").split())
    assert "does not know yet" not in output
