"""The desk and the bursar: each operation in each state of a fine, with the institution's parameter off and on.

The module is long because of the table of all operations in all states.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from bursar.db.queries import query
from bursar.errors import LedgerError
from bursar.ledger import desk
from tests.support.fake_bursar import FakeBursar, Payment

D = Decimal
CLAIMED = "is on its way to the bursar in batch 1; it can be changed when that batch has been closed or released"
NOTHING_OWED = "Nothing is owed on fine 1 any more"
WITH_THE_BURSAR = r"was exported to the bursar in batch 1 as transaction 1; .* is outstanding there, and is paid there"
NOT_ALLOWED = "set allow_activity_on_transferred_finesfees to yes"
COUNTS_AS_PAID = "was exported to the bursar in batch 1 as transaction 1; nothing is owed at the library"
PAID_AT_BURSAR = r"any more\. It was paid at the bursar\."
NOTHING_PAID = "Nothing was paid for fine 1 at the library"


def add_charge(office: FakeBursar) -> int:
    """Adds a charge of 10 of which 3 were paid at the desk; returns its id."""
    fine = office.library.fine(amount="10.00")
    with office.library.ledger.begin() as connection:
        desk.pay(connection, fine, D(3))
    return fine


def open_(office: FakeBursar) -> int:
    return add_charge(office)


def disputed(office: FakeBursar) -> int:
    fine = add_charge(office)
    with office.library.ledger.begin() as connection:
        desk.dispute(connection, fine, "not mine")
    return fine


def claimed(office: FakeBursar) -> int:
    fine = add_charge(office)
    office.export(close=False)
    return fine


def outstanding(office: FakeBursar) -> int:
    fine = add_charge(office)
    office.export()
    return fine


def exported_and_paid(office: FakeBursar) -> int:
    fine = add_charge(office)
    office.export(import_active=False)
    return fine


def partly_transferred(office: FakeBursar) -> int:
    fine = outstanding(office)
    office.pay(Payment(office.get_transaction(fine), "2"))
    return fine


def transferred(office: FakeBursar) -> int:
    fine = outstanding(office)
    office.pay(Payment(office.get_transaction(fine), "7"))
    return fine


def closed(office: FakeBursar) -> int:
    fine = add_charge(office)
    with office.library.ledger.begin() as connection:
        desk.pay(connection, fine)
    return fine


Operation = Callable[..., Any]


def dispute(connection: Any, fine: int, **_: Any) -> None:
    desk.dispute(connection, fine, "not mine")


def settle_dispute(connection: Any, fine: int, **_: Any) -> None:
    desk.resolve_dispute(connection, fine, "seen on the shelf")


ACTIVE, CLOSED, TRANSFERRED, DISPUTED = "ACTIVE", "CLOSED", "TRANSFERRED", "DISPUTED"
NOT_DISPUTED = "Fine 1 is not disputed"
LATE = "a dispute would only prevent its export"

# The function that makes the state of the fine, the operation, and two results: with the parameter false, and true.
# A result is status, balance, outstanding amount and pending reversal, or the error.
Result = tuple[str, int, int, int] | str
CASES: list[tuple[Callable[[FakeBursar], int], Operation, Result, Result]] = [
    (open_, desk.pay, (CLOSED, 0, 0, 0), (CLOSED, 0, 0, 0)),
    (open_, desk.waive, (CLOSED, 0, 0, 0), (CLOSED, 0, 0, 0)),
    (open_, desk.refund, (ACTIVE, 7, 0, 0), (ACTIVE, 7, 0, 0)),
    (open_, dispute, (DISPUTED, 7, 0, 0), (DISPUTED, 7, 0, 0)),
    (open_, settle_dispute, NOT_DISPUTED, NOT_DISPUTED),
    (disputed, desk.pay, (CLOSED, 0, 0, 0), (CLOSED, 0, 0, 0)),
    (disputed, desk.waive, (CLOSED, 0, 0, 0), (CLOSED, 0, 0, 0)),
    (disputed, desk.refund, (DISPUTED, 7, 0, 0), (DISPUTED, 7, 0, 0)),
    (disputed, dispute, "disputed already", "disputed already"),
    (disputed, settle_dispute, (ACTIVE, 7, 0, 0), (ACTIVE, 7, 0, 0)),
    (claimed, desk.pay, CLAIMED, CLAIMED),
    (claimed, desk.waive, CLAIMED, CLAIMED),
    (claimed, desk.refund, CLAIMED, CLAIMED),
    (claimed, dispute, CLAIMED, CLAIMED),
    (claimed, settle_dispute, NOT_DISPUTED, NOT_DISPUTED),
    (outstanding, desk.pay, WITH_THE_BURSAR, (CLOSED, 0, 0, 7)),
    (outstanding, desk.waive, WITH_THE_BURSAR, (CLOSED, 0, 0, 7)),
    (outstanding, desk.refund, NOT_ALLOWED, (CLOSED, 0, 7, 0)),
    (outstanding, dispute, LATE, LATE),
    (outstanding, settle_dispute, NOT_DISPUTED, NOT_DISPUTED),
    (exported_and_paid, desk.pay, COUNTS_AS_PAID, COUNTS_AS_PAID),
    (exported_and_paid, desk.waive, COUNTS_AS_PAID, COUNTS_AS_PAID),
    (exported_and_paid, desk.refund, (CLOSED, 0, 0, 0), (CLOSED, 0, 0, 0)),
    (exported_and_paid, dispute, COUNTS_AS_PAID, COUNTS_AS_PAID),
    (exported_and_paid, settle_dispute, NOT_DISPUTED, NOT_DISPUTED),
    (partly_transferred, desk.pay, NOT_ALLOWED, (CLOSED, 0, 0, 5)),
    (partly_transferred, desk.waive, NOT_ALLOWED, (CLOSED, 0, 0, 5)),
    (partly_transferred, desk.refund, NOT_ALLOWED, (TRANSFERRED, 0, 5, 0)),
    (partly_transferred, dispute, LATE, LATE),
    (partly_transferred, settle_dispute, NOT_DISPUTED, NOT_DISPUTED),
    (transferred, desk.pay, PAID_AT_BURSAR, PAID_AT_BURSAR),
    (transferred, desk.waive, PAID_AT_BURSAR, PAID_AT_BURSAR),
    (transferred, desk.refund, (TRANSFERRED, 0, 0, 0), (TRANSFERRED, 0, 0, 0)),
    (transferred, dispute, PAID_AT_BURSAR, PAID_AT_BURSAR),
    (transferred, settle_dispute, NOT_DISPUTED, NOT_DISPUTED),
    (closed, desk.pay, NOTHING_OWED, NOTHING_OWED),
    (closed, desk.waive, NOTHING_OWED, NOTHING_OWED),
    (closed, desk.refund, (CLOSED, 0, 0, 0), (CLOSED, 0, 0, 0)),
    (closed, dispute, NOTHING_OWED, NOTHING_OWED),
    (closed, settle_dispute, NOT_DISPUTED, NOT_DISPUTED),
]


@pytest.mark.parametrize("allowed", [False, True], ids=["forbidden", "allowed"])
@pytest.mark.parametrize(
    ("state", "operation", "forbidden", "permitted"),
    [pytest.param(*case, id=f"{case[0].__name__.strip('_')}-{case[1].__name__}") for case in CASES],
)
def test_each_operation_has_its_result_in_each_state(
    office: FakeBursar,
    state: Callable[[FakeBursar], int],
    operation: Operation,
    forbidden: Result,
    permitted: Result,
    *,
    allowed: bool,
) -> None:
    fine = state(office)
    before = office.library.position(fine), get_pending_reversal(office, fine)
    expected = permitted if allowed else forbidden
    with office.library.ledger.begin() as connection:
        if isinstance(expected, str):
            with pytest.raises(LedgerError, match=expected):
                operation(connection, fine, allow_activity_on_transferred_finesfees=allowed)
        else:
            operation(connection, fine, allow_activity_on_transferred_finesfees=allowed)
    after = office.library.position(fine), get_pending_reversal(office, fine)
    assert after == (before if isinstance(expected, str) else (expected[:3], expected[3]))


def get_pending_reversal(office: FakeBursar, fine: int) -> Decimal:
    return Decimal(office.library.one("SELECT pending_reversal FROM fines WHERE id = :fine", fine=fine))


def test_the_unsettled_part_stays_outstanding_at_the_bursar(office: FakeBursar) -> None:
    fine, _ = office.export_fine("10.00")
    with office.library.ledger.begin() as connection:
        assert desk.pay(connection, fine, D("4.00"), allow_activity_on_transferred_finesfees=True) == D("6.00")
        with pytest.raises(LedgerError, match=r"^Only 6\.00 USD of fine 1 is open; 6\.01 USD is more\.$"):
            desk.waive(connection, fine, D("6.01"), allow_activity_on_transferred_finesfees=True)
    assert office.library.position(fine) == (CLOSED, D(0), D(6))
    assert get_pending_reversal(office, fine) == 4


@pytest.mark.parametrize("operation", [desk.pay, desk.waive])
def test_an_exported_credit_is_not_settled_at_the_desk(office: FakeBursar, operation: Operation) -> None:
    fine, _ = office.export_fine("-10.00")
    with office.library.ledger.begin() as connection, pytest.raises(LedgerError, match="of this credit is outstanding"):
        operation(connection, fine, allow_activity_on_transferred_finesfees=True)
    assert office.library.position(fine) == (CLOSED, D(0), D(-10))


def test_a_refund_waives_the_charge_and_is_limited_to_the_payments(office: FakeBursar) -> None:
    fine = office.library.fine(amount="10.00")
    with office.library.ledger.begin() as connection:
        with pytest.raises(LedgerError, match=NOTHING_PAID):
            desk.refund(connection, fine)
        desk.pay(connection, fine, D(6))
        desk.waive(connection, fine, D(1))
        with pytest.raises(
            LedgerError, match=r"^Only 6\.00 USD was paid for fine 1 at the library; 7\.00 USD is more\.$"
        ):
            desk.refund(connection, fine, D(7))
        assert desk.refund(connection, fine, D(2), "scanned too late") == 2
        assert desk.refund(connection, fine) == 4
        with pytest.raises(LedgerError, match=NOTHING_PAID):
            desk.refund(connection, fine)
    assert office.library.position(fine) == (ACTIVE, D(3), D(0))
    with office.library.ledger.connect() as connection:
        entries = connection.execute(
            text("SELECT entry_type, balance_change, comment FROM journal_entries ORDER BY id")
        ).all()
    assert [tuple(entry) for entry in entries[3:5]] == [
        ("REFUNDED", 2, "scanned too late"),
        ("WAIVED", -2, "scanned too late"),
    ]


def test_a_payment_at_the_bursar_is_not_refunded_at_the_desk(office: FakeBursar) -> None:
    fine, transaction = office.export_fine("10.00")
    office.pay(Payment(transaction, "10"))
    with (
        office.library.ledger.begin() as connection,
        pytest.raises(
            LedgerError, match=rf"{NOTHING_PAID}\. Fine \d+ was exported to the bursar in batch 1.*Give a credit"
        ),
    ):
        desk.refund(connection, fine, allow_activity_on_transferred_finesfees=True)


def test_a_credit_is_not_refunded(office: FakeBursar) -> None:
    fine = office.library.fine(amount="-10.00")
    with office.library.ledger.begin() as connection:
        desk.pay(connection, fine)
        with pytest.raises(LedgerError, match="is a credit"):
            desk.refund(connection, fine)


def test_a_credit_for_an_overpayment_does_not_reverse_the_charge(office: FakeBursar) -> None:
    fine, transaction = office.export_fine("10.00")
    office.pay(Payment(transaction, "15"))
    user = office.library.one("SELECT user_id FROM fines WHERE id = :fine", fine=fine)
    with office.library.ledger.begin() as connection:
        desk.credit(connection, user_id=user, amount=D(10), currency="USD", reverses=fine)
        with pytest.raises(LedgerError, match=r"^Nothing of fine 1 is left to reverse\."):
            desk.credit(connection, user_id=user, amount=D(1), currency="USD", reverses=fine)


def test_many_fines_are_settled_like_single_ones(office: FakeBursar) -> None:
    exported = [office.library.fine(amount="10") for _ in range(2)]
    exported_credit = office.library.fine(amount="-2")
    office.export()
    at_the_library = [office.library.fine(amount="5"), office.library.fine(amount="-3")]
    facts = {"entry_type": "WAIVED", "amount": None, "comment": "bulk", "posted_by": None}
    with office.library.ledger.begin() as connection:
        all_fines = [*exported, exported_credit, *at_the_library]
        settled = connection.execute(query("ledger/post_settlement"), facts | {"fine_ids": all_fines}).rowcount
    assert settled == 4
    nothing_left = (CLOSED, D(0), D(0))
    for fine in exported:
        assert (office.library.position(fine), get_pending_reversal(office, fine)) == (nothing_left, D(10))
    for fine in at_the_library:
        assert (office.library.position(fine), get_pending_reversal(office, fine)) == (nothing_left, D(0))
    assert office.library.position(exported_credit) == (CLOSED, D(0), D(-2))


@pytest.mark.parametrize("kind", ["PAID", "WAIVED"])
def test_the_ledger_rejects_a_settlement_without_a_reversal(office: FakeBursar, kind: str) -> None:
    fine, _ = office.export_fine("10.00")
    sql = text("INSERT INTO journal_entries (fine_id, entry_type, outstanding_change) VALUES (:fine, :entry_type, -10)")
    with office.library.ledger.connect() as connection, pytest.raises(IntegrityError) as refusal:
        connection.execute(sql, {"fine": fine, "entry_type": kind})
    assert isinstance(refusal.value.orig, psycopg.Error)
    assert refusal.value.orig.diag.constraint_name == "settled_outstanding_is_reversed"
