"""An overpayment beyond the limit becomes no credit before a person releases it."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import Engine, text

from bursar.errors import LedgerError
from bursar.imports.apply import apply_payments
from bursar.imports.overpayments import (
    HeldDecision,
    HeldOverpayment,
    list_held_overpayments,
    reject_overpayment,
    release_overpayment,
)
from bursar.imports.rejects import save_rejects
from bursar.ledger import desk
from bursar.users.deletion import delete_user
from tests.support.fake_bursar import FakeBursar, Outcome, Payment
from tests.support.fixtures import Library

D = Decimal
HELD = Outcome("OVERPAID_HELD", D(10), D(0))


def list_held(library: Library, *, waiting_only: bool = True) -> list[HeldOverpayment]:
    with library.ledger.connect() as connection:
        return list(list_held_overpayments(connection, waiting_only=waiting_only))


def count_fines(library: Library) -> int:
    count: int = library.one("SELECT count(*) FROM fines")
    return count


def overpay(office: FakeBursar, sum_: str = "30.00", **fine: object) -> tuple[int, int]:
    """Pays a fine of 10.00 with a sum; returns the fine and the file."""
    fine_id, transaction = office.export_fine("10.00", **fine)
    file = office.add_file(Payment(transaction, sum_))
    office.apply(file)
    return fine_id, file


@pytest.mark.usefixtures("partition_count")
@pytest.mark.parametrize(
    ("limit", "sum_", "outcome"),
    [
        (None, "20.00", Outcome("OVERPAID", D(10), D(10))),
        (None, "20.01", HELD),
        (5, "15.00", Outcome("OVERPAID", D(10), D(5))),
        (5, "15.01", HELD),
        (0, "10.01", HELD),
        (0, "10.00", Outcome("PAID", D(10), D(0))),
        (100, "110.00", Outcome("OVERPAID", D(10), D(100))),
    ],
)
def test_the_limit_is_that_of_the_profile_else_the_amount_of_the_fine(
    office: FakeBursar, limit: int | None, sum_: str, outcome: Outcome
) -> None:
    fine, transaction = office.export_fine("10.00")
    file = office.add_file(Payment(transaction, sum_))
    apply_payments(office.library.ledger, file, run_id="run", max_overpayment=limit)
    assert office.list_outcomes(file) == [outcome]
    assert office.library.position(fine) == ("TRANSFERRED", D(0), D(0))
    held = [one.amount for one in list_held(office.library)]
    assert held == ([D(sum_) - 10] if outcome.outcome == "OVERPAID_HELD" else [])
    assert count_fines(office.library) == 1 + bool(outcome.credited)


def test_what_was_settled_at_the_library_is_no_part_of_the_rest(office: FakeBursar) -> None:
    fine, transaction = office.export_fine("10.00")
    with office.library.ledger.begin() as connection:
        desk.pay(connection, fine, D(4), allow_activity_on_transferred_finesfees=True)
    file = office.add_file(Payment(transaction, "10.00"), Payment(transaction, "1000"))
    office.apply(file)
    assert [outcome.outcome for outcome in office.list_outcomes(file)] == ["PAID", "ALREADY_SETTLED"]
    assert list_held(office.library) == []


def test_a_released_overpayment_becomes_a_credit_once_and_the_person_is_recorded(office: FakeBursar) -> None:
    fine, file = overpay(office, owner="LAW")
    first, second = (release_overpayment(office.library.ledger, file, 1, by=by) for by in ("anna", "ben"))
    assert first == second
    assert (first.decision, first.decided_by, first.amount) == (HeldDecision.RELEASED, "anna", D(20))
    assert first.credit_id
    assert office.library.position(first.credit_id) == ("ACTIVE", D(-20), D(0))
    assert office.library.one(
        "SELECT ARRAY[fine_fee_type, owner_library, reverses::text] FROM fines WHERE id = :id", id=first.credit_id
    ) == ["CREDIT", "LAW", str(fine)]
    assert office.library.one("SELECT posted_by FROM journal_entries WHERE fine_id = :id", id=first.credit_id) == "anna"
    assert count_fines(office.library) == 2
    assert list_held(office.library) == []
    office.export()
    assert office.library.position(first.credit_id) == ("CLOSED", D(0), D(-20))


def test_a_released_credit_limits_nothing_of_its_charge(office: FakeBursar) -> None:
    """It gives back money that is not counted as paid for the charge, like any credit for an overpayment."""
    fine, file = overpay(office)
    credit = release_overpayment(office.library.ledger, file, 1, by="anna").credit_id
    assert credit
    with office.library.ledger.begin() as connection:
        desk.pay(connection, credit, D(20))
        reversing = desk.reverse_charge(connection, fine)
    assert office.library.position(credit) == ("CLOSED", D(0), D(0))
    assert office.library.position(reversing)[1] == D(-10)


def test_a_rejected_overpayment_becomes_nothing_and_that_is_final(office: FakeBursar) -> None:
    _, file = overpay(office)
    rejected = reject_overpayment(office.library.ledger, file, 1, by="anna")
    assert (rejected.decision, rejected.decided_by, rejected.credit_id) == (HeldDecision.REJECTED, "anna", None)
    assert reject_overpayment(office.library.ledger, file, 1, by="ben") == rejected
    with pytest.raises(LedgerError, match=r"overpaid by 20.00 USD, was rejected by anna"):
        release_overpayment(office.library.ledger, file, 1, by="ben")
    assert count_fines(office.library) == 1
    assert [one.decision for one in list_held(office.library, waiting_only=False)] == [HeldDecision.REJECTED]


def test_two_people_who_decide_simultaneously_make_one_credit(office: FakeBursar) -> None:
    _, file = overpay(office)
    start = Barrier(4)

    def release(by: str) -> int | None:
        start.wait()
        return release_overpayment(office.library.ledger, file, 1, by=by).credit_id

    with ThreadPoolExecutor(4) as pool:
        credits_ = set(pool.map(release, ["anna", "ben", "anna", "ben"]))
    assert len(credits_) == 1
    assert count_fines(office.library) == 2


@pytest.mark.parametrize("record", [1, 2, 3])
def test_other_records_can_not_be_released(office: FakeBursar, record: int) -> None:
    _, transaction = office.export_fine("10.00")
    file = office.add_file(Payment(transaction, "15.00"), Payment("unknown", "5"))
    office.apply(file)
    with pytest.raises(LedgerError, match="is no overpayment beyond the limit"):
        release_overpayment(office.library.ledger, file, record, by="anna")
    assert count_fines(office.library) == 2


def test_a_user_is_not_deleted_while_an_overpayment_waits(office: FakeBursar) -> None:
    user = office.library.user()
    _, file = overpay(office, user=user)
    with pytest.raises(LedgerError, match=r"20.00 USD overpaid at the bursar waits for a person"):
        delete_user(office.library.ledger, user)
    reject_overpayment(office.library.ledger, file, 1, by="anna")
    assert delete_user(office.library.ledger, user)


def test_the_reason_names_the_page_and_has_the_decimals_of_the_currency(office: FakeBursar, tmp_path: Path) -> None:
    _, transaction = office.export_fine("10.00", currency="KWD")
    file = office.add_file(Payment(transaction, "30.125", "KWD"))
    office.apply(file)
    rejects = save_rejects(office.library.ledger, file, tmp_path)
    assert rejects
    reason = rejects.read_text(encoding="utf-8-sig")
    assert "20.125 KWD is overpaid, more than the limit of 10.000" in reason
    assert "asked the bursar, and decided under Bursar > Waiting for a person" in reason


def test_a_held_rest_is_part_of_a_total(office: FakeBursar) -> None:
    _, transaction = office.export_fine("10.00")
    totals = [office.pay(Payment(transaction, total), amounts="cumulative")[0].outcome for total in ("30", "30")]
    assert totals == ["OVERPAID_HELD", "ALREADY_SETTLED"]
    assert count_fines(office.library) == 1


def test_the_ledger_refuses_a_decision_without_a_person_or_a_credit_without_a_release(
    office: FakeBursar, owned_ledger: Engine
) -> None:
    overpay(office)
    for change in ("held_decision = 'rejected'", "released_credit_id = 1", "decided_by = 'anna', decided_at = now()"):
        with pytest.raises(Exception, match="held_decision_is_recorded"), owned_ledger.begin() as connection:
            connection.execute(text(f"UPDATE import_records SET {change}"))
