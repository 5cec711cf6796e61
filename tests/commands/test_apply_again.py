"""`bin/bursar imports apply-again`: it shows what it would apply, and refuses the same file."""

import os

import pytest
from click.testing import CliRunner

from bursar.__main__ import bursar
from bursar.errors import TransientError
from bursar.imports.apply import apply_payments
from bursar.imports.apply_again import apply_again, list_repeated_arrivals
from tests.support.cli import run, run_json
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.payment_inbox import PaymentInbox, xml

MOMENT = 1772436600  # 2026-03-02 07:30 UTC


def load_twice(inbox: PaymentInbox, office: FakeBursar, second_name: str) -> int:
    """Imports two files of the same bytes and time, without moving them; returns the number of the second arrival."""
    content = xml(Payment(office.export_fine("10.00")[1], "4.00"))
    for run_id, name in (("run 1", "first.xml"), ("run 2", second_name)):
        os.utime(inbox.put(name, content), (MOMENT, MOMENT))
        apply_payments(inbox.library.ledger, inbox.load_file(name, run_id).id, run_id=run_id)
    with inbox.library.ledger.connect() as connection:
        (arrival,) = list_repeated_arrivals(connection, "STUDENTS", "run 2")
    return arrival.id


def test_the_question_names_file_profile_date_records_and_sums(inbox: PaymentInbox, office: FakeBursar) -> None:
    arrival = load_twice(inbox, office, "second.xml")
    result = CliRunner().invoke(bursar, ["imports", "apply-again", str(arrival)], input="n\n")
    assert result.exit_code == 1
    assert "second.xml of 2026-03-02 07:30 UTC, for the profile STUDENTS, has 1 record with 4.00 USD." in result.output
    assert "first.xml with the same content was applied on" in result.output
    assert inbox.library.one("SELECT count(*) FROM import_files") == 1


def test_a_file_that_was_not_moved_away_is_refused(inbox: PaymentInbox, office: FakeBursar) -> None:
    arrival = load_twice(inbox, office, "first.xml")
    output = run("imports", "apply-again", str(arrival), "--yes", exit_code=1)
    assert "first.xml can't be applied again" in output
    assert "under another name" in output


def test_a_repeated_file_is_listed_until_it_is_applied_again(inbox: PaymentInbox, office: FakeBursar) -> None:
    arrival = load_twice(inbox, office, "second.xml")
    listed = " ".join(run("imports", "list").split())
    assert "second.xml of STUDENTS is repeated: it has the bytes of first.xml (file 1), and changed nothing." in listed
    assert f"If it reports other payments: `imports apply-again {arrival}`." in listed
    first, repeated = run_json("imports", "list")
    assert list(repeated) == list(first)
    assert [first["state"], first["repeated_arrival"]] == ["APPLIED", None]
    facts = [repeated[name] for name in ("file", "name", "state", "repeated_arrival", "outcomes")]
    assert facts == [1, "second.xml", "REPEATED", arrival, {}]
    assert "second.xml" not in run("imports", "list", "--profile", "STAFF")
    run("imports", "apply-again", str(arrival), "--yes")
    assert [file["state"] for file in run_json("imports", "list")] == ["APPLIED", "APPLIED"]
    assert "is repeated" not in run("imports", "list")


def test_a_repeated_file_that_was_not_moved_away_is_listed_as_one(inbox: PaymentInbox, office: FakeBursar) -> None:
    load_twice(inbox, office, "first.xml")
    listed = " ".join(run("imports", "list").split())
    assert "It is that file, which was not moved away." in listed
    assert "apply-again" not in listed


def test_an_unfinished_application_is_listed_as_unfinished(inbox: PaymentInbox, office: FakeBursar) -> None:
    arrival = load_twice(inbox, office, "second.xml")
    office._run("UPDATE batches SET closed_at = NULL")  # noqa: SLF001
    with pytest.raises(TransientError):
        apply_again(inbox.library.ledger, arrival, inbox.profile.import_, by="anna")
    assert f"begun by anna: repeat `imports apply-again {arrival}`" in run("imports", "list")
    newest = run_json("imports", "list")[0]
    assert (newest["state"], newest["repeated_arrival"]) == ("READ", arrival)
    office._run("UPDATE batches SET closed_at = now()")  # noqa: SLF001
    run("imports", "apply-again", str(arrival), "--yes")
    assert "applied again by anna" in run("imports", "list")
