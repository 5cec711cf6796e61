"""`bin/bursar overpayments` and `imports apply-again`, on a real ledger."""

from datetime import UTC, datetime

from tests.support.cli import run, run_json
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fixtures import Library


def add_arrival(office: FakeBursar, file: int, name: str, run_id: str) -> int:
    """Registers the arrival of a loaded file; returns its number."""
    office._run(  # noqa: SLF001
        "INSERT INTO file_arrivals (file_id, profile, run_id, name, size, modified)"
        " VALUES (:file, 'STUDENTS', :run, :name, 1, :moment)",
        file=file,
        run=run_id,
        name=name,
        moment=datetime.now(UTC),
    )
    arrival: int = office.library.one("SELECT max(id) FROM file_arrivals")
    return arrival


def test_held_overpayments_are_listed_released_and_rejected_under_the_name_of_a_person(library: Library) -> None:
    office = FakeBursar(library)
    assert "No overpayment waits for a person." in run("overpayments", "list")
    transactions = [office.export_fine("10.00")[1] for _ in range(2)]
    office.pay(*(Payment(transaction, "100.00") for transaction in transactions))
    output = run("overpayments", "list")
    assert output.count("90.00 USD") == 2
    assert output.count("waits") == 2

    file = str(run_json("overpayments", "list")[0]["file_id"])
    released = run("--by", "anna", "overpayments", "release", file, "1")
    assert "Released by anna: credit 3 of 90.00 USD for overpaid fine 1." in released
    assert "Released by anna: credit 3" in run("--by", "ben", "overpayments", "release", file, "1")
    assert "Rejected by anna: 90.00 USD" in run("--by", "anna", "overpayments", "reject", file, "2")
    refused = run("--by", "ben", "overpayments", "release", file, "2", exit_code=1)
    assert "was rejected by anna. That is final." in refused

    assert "90.00 USD of it was released as credit 3 by anna" in " ".join(run("fines", "show", "1").split())
    assert "90.00 USD of it was rejected by anna" in " ".join(run("fines", "show", "2").split())
    assert "overpaid, and released by anna" in run("imports", "rejects", file)

    assert run_json("overpayments", "list") == []
    decided = run_json("overpayments", "list", "--all", "--profile", "STUDENTS")
    assert [(one["decision"], one["decided_by"], one["amount"]) for one in decided] == [
        ("released", "anna", "90.00"),
        ("rejected", "anna", "90.00"),
    ]
    assert run_json("overpayments", "list", "--all", "--profile", "STAFF") == []


def test_a_repeated_file_is_applied_again_under_the_name_of_a_person(library: Library) -> None:
    office = FakeBursar(library)
    fine, transaction = office.export_fine("10.00")
    file = office.add_file(Payment(transaction, "4.00"))
    add_arrival(office, file, "first.xml", "run")
    arrival = add_arrival(office, file, "second.xml", "later")
    office.apply(file)

    aborted = run("imports", "apply-again", str(arrival), exit_code=1)
    assert "Has the bursar confirmed that the file reports other payments than before?" in aborted
    assert library.position(fine)[2] == 6
    for by in ("anna", "ben"):
        output = run("--by", by, "imports", "apply-again", str(arrival), "--yes")
        assert "second.xml has been applied again as file 2, at the request of anna: 1 PARTLY_PAID." in output
    assert library.position(fine)[2] == 2
    assert "applied again by anna" in run("imports", "list")
    assert [one["requested_by"] for one in run_json("imports", "list")] == ["anna", None]
    assert "There is no repeated file 4711" in run("imports", "apply-again", "4711", "--yes", exit_code=2)
