"""`bin/bursar imports`, on a real ledger."""

from sqlalchemy import text

from tests.support.cli import run, run_json
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fixtures import Library


def test_files_of_payments_are_listed_with_their_outcomes_in_the_order_of_the_rules(library: Library) -> None:
    assert "No file has come from a bursar yet." in run("imports", "list")
    office = FakeBursar(library)
    _, transaction = office.export_fine("10.00")
    office.pay(Payment("unknown", "4"), Payment(transaction, "4"), Payment(transaction, "6"))
    output = run("imports", "list")
    assert output.index("1 PAID") < output.index("1 PARTLY_PAID") < output.index("1 UNMATCHED")
    (file,) = run_json("imports", "list", "--profile", "STUDENTS")
    assert list(file["outcomes"]) == ["PAID", "PARTLY_PAID", "UNMATCHED"]
    assert file["outcomes"]["PARTLY_PAID"]["applied"] == {"USD": "4.00"}
    assert run_json("imports", "list", "--profile", "STAFF") == []
    assert "No file has come for profile STAFF." in run("imports", "list", "--profile", "STAFF")
    assert run("imports", "rejects", str(file["file"]), "--format", "csv").splitlines()[1].startswith("payments")


def test_a_file_that_was_rejected_as_a_whole_says_so_and_why(library: Library) -> None:
    office = FakeBursar(library)
    _, transaction = office.export_fine("10.00")
    file = office.add_file(Payment(transaction, "4.00"))
    with library.ledger.begin() as connection:
        connection.execute(
            text("UPDATE import_files SET rejection = 'It is cut off.', rejected_at = now() WHERE id = :id"),
            {"id": file},
        )
    assert "was rejected as a whole: It is cut off." in run("imports", "rejects", str(file))
