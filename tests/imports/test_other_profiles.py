"""A file pays fines that its own profile exported, and no others."""

from decimal import Decimal
from pathlib import Path

import pytest

from bursar.imports.rejects import save_rejects
from tests.support.fake_bursar import FakeBursar, Outcome, Payment

D = Decimal
UNMATCHED = Outcome("UNMATCHED", None, None)


@pytest.mark.usefixtures("partition_count")
def test_a_file_does_not_pay_a_fine_that_another_profile_exported(office: FakeBursar) -> None:
    fine, transaction = office.export_fine("10.00")
    assert office.pay(Payment(transaction, "10.00"), profile="STAFF") == [UNMATCHED]
    assert office.library.position(fine) == ("CLOSED", D(0), D(10))
    assert office.library.one("SELECT reason FROM import_records") == (
        "the profile STUDENTS exported this fine, so a file for STAFF does not pay it"
    )
    assert office.pay(Payment(transaction, "10.00"))[0].outcome == "PAID"


def test_nor_does_it_by_the_internal_id(office: FakeBursar) -> None:
    fine, _ = office.export_fine("10.00")
    assert office.pay(Payment(None, "10.00", internal_id=str(fine)), profile="STAFF") == [UNMATCHED]
    assert "the profile STUDENTS exported this fine" in office.library.one("SELECT reason FROM import_records")


def test_the_internal_id_matches_if_the_transaction_id_is_that_of_another_profile(office: FakeBursar) -> None:
    other, transaction = office.export_fine("10.00")
    own = office.library.fine(amount="7.00")
    office.export(profile="STAFF")
    paid = office.pay(Payment(transaction, "7.00", internal_id=str(own)), profile="STAFF")
    assert paid == [Outcome("PAID", D(7), D(0))]
    assert office.library.position(other) == ("CLOSED", D(0), D(10))


def test_the_rejects_name_the_other_profile(office: FakeBursar, tmp_path: Path) -> None:
    _, transaction = office.export_fine("10.00")
    file = office.add_file(Payment(transaction, "10.00"), profile="STAFF")
    office.apply(file)
    rejects = save_rejects(office.library.ledger, file, tmp_path)
    assert rejects
    assert "the profile STUDENTS exported this fine" in rejects.read_text(encoding="utf-8-sig")
