"""What a load must not lose or bill twice when a fine is with a bursar, or its user is gone: what histories found."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from bursar.exports.close import close_fines
from bursar.exports.recover import release_batch
from bursar.users.deletion import delete_user
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fixtures import Library
from tests.support.library_system import LibrarySystem


class Case:
    """A charge and credits of the library system, and a bursar."""

    def __init__(self, library: Library, folder: Path) -> None:
        self.library, self.office = library, FakeBursar(library)
        self.system = LibrarySystem(library.ledger, folder)
        self.user = library.user()

    def load(self, *rows: dict[str, str]) -> list[str]:
        """Loads rows of fines; returns the codes of the messages."""
        defaults = {"primary_id": "user1", "amount": "42.00"}
        result = self.system.load(fines=[defaults | row for row in rows], rules={"currency": "USD"})
        return [message.code for message in result.messages]

    def fine(self, source_id: str) -> tuple[Any, ...]:
        row = self.system.fine(source_id)
        return row.status, float(row.balance), float(row.outstanding)


CREDIT = {"fine_id": "C1", "fine_fee_type": "CREDIT", "amount": "-42.00", "reverses": "F1"}


@pytest.fixture
def case(library: Library, tmp_path: Path) -> Case:
    return Case(library, tmp_path)


@pytest.fixture
def exported(case: Case) -> Case:
    """Returns a case whose charge F1 of 42.00 is with the bursar, as transaction 1."""
    case.load({"balance": "42.00"})
    case.office.export()
    return case


def test_a_blank_status_and_balance_change_nothing(case: Case) -> None:
    assert case.load({}) == []
    assert case.load({}) == []
    assert case.fine("F1") == ("ACTIVE", 42, 0)


def test_one_malformed_amount_rejects_its_row_alone(case: Case) -> None:
    assert case.load({"amount": "much"}, {"fine_id": "F2"}) == ["malformed"]
    assert case.fine("F2") == ("ACTIVE", 42, 0)


def test_an_accruing_fine_is_not_exported(case: Case) -> None:
    case.load({"status": "accruing"})
    case.office.export()
    assert case.fine("F1") == ("ACTIVE", 42, 0)
    case.load({"status": "open"})
    case.office.export()
    assert case.fine("F1") == ("CLOSED", 0, 42)


def test_a_payment_of_what_was_cancelled_meanwhile_makes_no_credit(exported: Case) -> None:
    exported.load({"balance": "0.00", "status": "cancelled", "settled_as": "paid"})
    assert exported.system.rows("SELECT entry_type FROM journal_entries WHERE load_id IS NOT NULL ORDER BY id") == [
        "CHARGED",
        "CANCELLED",
    ]
    (outcome,) = exported.office.pay(Payment("1", "42"))
    assert (outcome.outcome, outcome.credited) == ("ALREADY_SETTLED", None)


def test_a_credit_for_an_overpayment_reverses_nothing(exported: Case) -> None:
    exported.office.pay(Payment("1", "50"))
    exported.load({"balance": "0.00"}, CREDIT | {"balance": "0.00"})
    assert exported.fine("C1") == ("ACTIVE", -42, 0)


@pytest.mark.parametrize("together", [True, False])
def test_a_credit_that_was_loaded_during_an_export_has_its_balance_after_a_release(
    case: Case, *, together: bool
) -> None:
    case.load({"balance": "42.00"})
    batch = case.office.export(close=False)
    if not together:
        case.load(CREDIT | {"balance": "-42.00"})
    case.load({"balance": "0.00"}, CREDIT | {"balance": "0.00"})
    release_batch(case.library.ledger, batch, confirmed_not_received=True)
    case.load({"fine_id": "F2", "amount": "1.00"})  # the deferred rows are applied whatever is in the file
    assert [case.fine(fine) for fine in ("F1", "C1")] == [("CLOSED", 0, 0)] * 2


def test_credits_during_an_export_take_back_no_more_than_it_asks_for(case: Case) -> None:
    case.load({"balance": "32.00"})
    batch = case.office.export(close=False)
    case.load(
        CREDIT | {"amount": "-30.00", "balance": "0.00"},
        CREDIT | {"fine_id": "C2", "amount": "-12.00", "balance": "0.00"},
    )
    close_fines(case.library.ledger, batch)
    case.load({"fine_id": "F2", "amount": "1.00"})
    assert [case.fine(fine)[1] for fine in ("C1", "C2")] == [-30, -2]


def test_a_cancelled_credit_reverses_nothing(case: Case) -> None:
    case.load({"balance": "42.00"}, CREDIT | {"balance": "-42.00"})
    case.load(CREDIT | {"balance": "0.00", "status": "cancelled"})
    assert case.library.one("SELECT reversible FROM charge_totals") == 42


def test_a_credit_that_is_cancelled_before_the_bursar_receives_it_is_not_sent(exported: Case) -> None:
    exported.load(CREDIT | {"balance": "-42.00"})
    assert exported.load(CREDIT | {"balance": "0.00", "status": "cancelled"}) == []
    assert exported.fine("C1") == ("CLOSED", 0, 0)


def test_an_amount_of_0_that_is_charged_again_is_open_again(case: Case) -> None:
    case.load({})
    case.load({"amount": "0.00"})
    assert case.fine("F1") == ("CLOSED", 0, 0)
    case.load({"balance": "42.00"})
    assert case.fine("F1") == ("ACTIVE", 42, 0)
    case.load({"balance": "20.00"})
    assert case.fine("F1") == ("ACTIVE", 20, 0)


def test_each_second_payment_is_a_warning(exported: Case) -> None:
    exported.office.pay(Payment("1", "42"))
    for _ in range(2):
        assert exported.load({"balance": "0.00"}) == ["settled_twice"]
        assert exported.load({"balance": "42.00"}) == ["came_back"]


def test_a_credit_that_was_applied_in_an_earlier_file_is_no_second_payment(exported: Case) -> None:
    exported.load(CREDIT | {"balance": "0.00"})
    assert exported.load({"balance": "0.00"}) == []


def test_a_lower_amount_at_the_bursar_settles_nothing(exported: Case) -> None:
    assert exported.load({"amount": "30.00", "balance": "30.00"}) == ["other_amount"]
    assert exported.fine("F1") == ("CLOSED", 0, 42)


def test_a_fine_of_a_deleted_user_changes_no_more(case: Case) -> None:
    case.load({"balance": "42.00"})
    case.load({"balance": "0.00"})
    delete_user(case.library.ledger, case.user)
    assert case.load({"balance": "42.00"}) == ["user_deleted"]
    assert case.load({"balance": "42.00"}) == []
    assert case.fine("F1") == ("CLOSED", 0, 0)


def test_a_dispute_of_the_desk_stays_whatever_the_source_says(case: Case) -> None:
    case.load({})
    with case.library.ledger.begin() as connection:
        connection.execute(text("INSERT INTO journal_entries (fine_id, entry_type) SELECT id, 'DISPUTED' FROM fines"))
    case.load({"status": "disputed"})
    case.load({"status": "open"})
    assert case.fine("F1") == ("DISPUTED", 42, 0)


def test_a_refund_with_a_reduction_bills_nothing(case: Case) -> None:
    case.load({"amount": "5.00"})
    case.load({"amount": "5.00", "balance": "3.50"})
    assert case.load({"amount": "1.05", "balance": "0.00"}) == ["settled_beyond_amount"]
    assert case.fine("F1") == ("CLOSED", 0, 0)


def test_a_payment_at_the_desk_and_one_at_the_library_ask_for_a_check(case: Case) -> None:
    case.load({})
    with case.library.ledger.begin() as connection:
        connection.execute(
            text("INSERT INTO journal_entries (fine_id, entry_type, balance_change) SELECT id, 'PAID', -20 FROM fines")
        )
    assert case.load({"balance": "30.00"}) == ["also_settled_here"]
    assert case.fine("F1") == ("ACTIVE", 22, 0)


def test_a_credit_that_came_before_the_row_of_its_charge_is_passed_on_to_the_bursar(case: Case) -> None:
    case.load({})
    case.load(CREDIT | {"balance": "0.00"})
    case.office.export()
    assert case.fine("F1") == ("CLOSED", 0, 42)
    assert case.load({"balance": "0.00"}) == []
    assert case.fine("F1") == ("CLOSED", 0, 0)
    case.office.export()
    assert case.library.one("SELECT sum(amount) FROM batch_lines") == 0
    assert case.load({"balance": "0.00"}, CREDIT | {"balance": "0.00"}) == []
    assert case.library.one("SELECT sum(outstanding) + sum(balance) + sum(pending_reversal) FROM fines") == 0


def test_a_new_fine_that_was_cancelled_can_be_open_later(case: Case) -> None:
    case.load({"status": "cancelled", "balance": "42.00"})
    assert case.fine("F1") == ("CLOSED", 0, 0)
    case.load({"status": "open", "balance": "42.00"})
    assert case.fine("F1") == ("ACTIVE", 42, 0)


def test_a_type_that_the_ledger_cannot_index_rejects_its_row_alone(case: Case) -> None:
    assert case.load({"fine_fee_type": "X" * 501}, {"fine_id": "F2"}) == ["unreadable"]
    assert case.fine("F2") == ("ACTIVE", 42, 0)


@pytest.mark.parametrize(("created_at", "codes"), [("2024-05-01T10:00:00", []), ("2024-05-02", ["other_source"])])
def test_a_source_takes_over_only_the_same_fines_of_hand_loaded_files(
    case: Case, created_at: str, codes: list[str]
) -> None:
    case.load({})
    row = {"primary_id": "user1", "amount": "42.00", "created_at": created_at}
    result = case.system.load(fines=[row], rules={"currency": "USD", "code": "KOHA"})
    assert [message.code for message in result.messages] == codes
    assert case.system.rows("SELECT source, balance FROM fines") == [("" if codes else "KOHA", 42)]


@pytest.mark.parametrize(("created_at", "locks"), [("2024-05-01T10:00:00", 2), ("2024-05-02", 1)])
def test_only_fines_that_a_source_takes_over_lock_the_table_before_the_checks(
    case: Case, created_at: str, locks: int
) -> None:
    case.load({})
    statements: list[str] = []

    def record(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    event.listen(case.library.ledger, "before_cursor_execute", record)
    try:
        row = {"primary_id": "user1", "amount": "42.00", "created_at": created_at}
        case.system.load(fines=[row], rules={"currency": "USD", "code": "KOHA"})
    finally:
        event.remove(case.library.ledger, "before_cursor_execute", record)
    assert sum("LOCK TABLE fines_lock" in statement for statement in statements) == locks


def test_a_newer_row_that_is_rejected_keeps_the_deferred_one(case: Case) -> None:
    case.load({})
    batch = case.office.export(close=False)
    case.load({"balance": "40.00"})
    assert case.load({"balance": "much"}) == ["malformed"]
    close_fines(case.library.ledger, batch)
    assert case.load({"fine_id": "F2"}) == []
    assert case.fine("F1") == ("CLOSED", 0, 40)
