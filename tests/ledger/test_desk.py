"""The circulation desk on a real ledger: the effect of each operation on a fine, and its errors.

The module is long because all operations of the desk share the rules for amounts and states.
"""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, Engine, Row, text

from bursar.db.queries import query
from bursar.errors import LedgerError
from bursar.ledger import desk

D = Decimal

add_fine = partial(desk.add_fine, user_id=1, fine_fee_type="OVERDUEFINE", amount=D("5.00"), currency="EUR")
add_credit = partial(desk.credit, user_id=1, amount=D("5.00"), currency="EUR")


@pytest.fixture
def connection(ledger: Engine) -> Iterator[Connection]:
    """Opens a transaction on a ledger with two users, two libraries and an item of the law library."""
    with ledger.begin() as connection:
        connection.exec_driver_sql("INSERT INTO user_groups VALUES ('UNDRGRD', 'Undergraduate')")
        connection.exec_driver_sql("INSERT INTO libraries VALUES ('LAW', '112', 'Law'), ('MAIN', '111', 'Main')")
        connection.exec_driver_sql(
            "INSERT INTO users (last_name, user_group) VALUES ('Ng', 'UNDRGRD'), ('Wu', 'UNDRGRD')"
        )
        connection.exec_driver_sql("INSERT INTO items (barcode, title, library) VALUES ('39001', 'Torts', 'LAW')")
    with ledger.connect() as connection, connection.begin():
        yield connection


def get_fine(connection: Connection, fine_id: int) -> Row[Any]:
    return connection.execute(text("SELECT * FROM fines WHERE id = :id"), {"id": fine_id}).one()


def list_entries(connection: Connection, fine_id: int) -> list[tuple[str, Decimal, str | None]]:
    rows = connection.execute(
        text("SELECT entry_type, balance_change, comment FROM journal_entries WHERE fine_id = :id ORDER BY id"),
        {"id": fine_id},
    )
    return [tuple(row) for row in rows]


def close_export(connection: Connection, fine_id: int, *, import_active: bool) -> None:
    """Posts the journal entries of a closed export, batch 9."""
    connection.execute(
        text(
            "INSERT INTO journal_entries (fine_id, entry_type, balance_change, outstanding_change, batch_id) "
            "SELECT id, :entry_type, -balance, CASE WHEN :import_active THEN balance ELSE 0 END, 9 FROM fines WHERE "
            "id = :id"
        ),
        {
            "id": fine_id,
            "entry_type": "EXPORTED" if import_active else "EXPORTED_AND_PAID",
            "import_active": import_active,
        },
    )


def test_a_new_fine_is_active_and_owed_in_full(connection: Connection) -> None:
    created = datetime(2026, 3, 29, 1, 30, tzinfo=ZoneInfo("Europe/Vienna"))
    due = datetime(2026, 3, 20, 23, 59, tzinfo=UTC)
    fine_id = add_fine(
        connection,
        amount=D("12.34"),
        created_at=created,
        owner_library="MAIN",
        item_id=1,
        comment="3 days",
        vat=D("2.06"),
        item_due_date=due,
        source_id="F-7",
    )
    found = get_fine(connection, fine_id)
    assert (found.status, found.balance, found.outstanding) == ("ACTIVE", D("12.34"), 0)
    assert (found.created_at, found.last_transaction_at, found.item_due_date) == (created, created, due)
    assert (found.owner_library, found.item_id, found.comment, found.vat, found.source_id) == (
        "MAIN",
        1,
        "3 days",
        D("2.06"),
        "F-7",
    )
    assert list_entries(connection, fine_id) == [("CHARGED", D("12.34"), None)]


def test_a_fine_without_a_time_is_created_now(connection: Connection) -> None:
    created = get_fine(connection, add_fine(connection)).created_at
    assert abs(datetime.now(UTC) - created) < timedelta(minutes=1)


def test_the_owner_of_a_fine_does_not_change_with_its_item(connection: Connection) -> None:
    fine_id = add_fine(connection, owner_library="LAW", item_id=1)
    connection.exec_driver_sql("UPDATE items SET library = 'MAIN'")
    assert get_fine(connection, fine_id).owner_library == "LAW"


@pytest.mark.parametrize(("operation", "kind"), [(desk.pay, "PAID"), (desk.waive, "WAIVED")])
def test_a_fine_is_closed_when_its_last_part_is_settled(
    connection: Connection, operation: Callable[..., Decimal], kind: str
) -> None:
    fine_id = add_fine(connection, amount=D("5.00"))
    assert operation(connection, fine_id, D("1.50"), "cash") == D("3.50")
    assert (get_fine(connection, fine_id).status, get_fine(connection, fine_id).balance) == ("ACTIVE", D("3.50"))
    assert operation(connection, fine_id) == 0
    assert (get_fine(connection, fine_id).status, get_fine(connection, fine_id).balance) == ("CLOSED", 0)
    assert list_entries(connection, fine_id)[1:] == [(kind, D("-1.50"), "cash"), (kind, D("-3.50"), None)]


def test_a_credit_is_negative_and_a_payout_raises_its_balance(connection: Connection) -> None:
    fine_id = add_credit(connection, amount=D("4.00"))
    assert (get_fine(connection, fine_id).fine_fee_type, get_fine(connection, fine_id).balance) == (
        "CREDIT",
        D("-4.00"),
    )
    assert desk.pay(connection, fine_id, D("1.00")) == D("-3.00")
    with pytest.raises(LedgerError, match=r"^Only 3\.00 EUR of fine 1 is open; 3\.01 EUR is more\.$"):
        desk.pay(connection, fine_id, D("3.01"))
    assert desk.pay(connection, fine_id) == 0
    assert list_entries(connection, fine_id) == [
        ("CHARGED", D("-4.00"), None),
        ("PAID", D("1.00"), None),
        ("PAID", D("3.00"), None),
    ]


@pytest.mark.parametrize("import_active", [True, False])
def test_a_credit_has_the_owner_and_item_of_its_exported_charge(connection: Connection, *, import_active: bool) -> None:
    charge = add_fine(connection, owner_library="LAW", item_id=1)
    close_export(connection, charge, import_active=import_active)
    found = get_fine(connection, add_credit(connection, amount=D("5.00"), reverses=charge, comment="book returned"))
    assert (found.reverses, found.owner_library, found.item_id, found.balance) == (charge, "LAW", 1, D("-5.00"))


def test_a_charge_is_reversed_once(connection: Connection) -> None:
    charge = add_fine(connection, amount=D("5.00"))
    add_credit(connection, amount=D("3.00"), reverses=charge)
    with pytest.raises(LedgerError, match=r"^Only 2\.00 EUR of fine 1 is left to reverse; 2\.01 EUR is more\."):
        add_credit(connection, amount=D("2.01"), reverses=charge)
    add_credit(connection, amount=D("2.00"), reverses=charge)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"reverses": 99}, "There is no fine 99"),
        ({"reverses": 2}, "Fine 2 is a credit itself"),
        ({"reverses": 1, "user_id": 2}, "charged to user 1 in EUR"),
        ({"reverses": 1, "currency": "USD"}, "charged to user 1 in EUR"),
        ({"reverses": 1, "owner_library": "LAW"}, "has that fine's owner and item"),
        ({"reverses": 1, "item_id": 1}, "has that fine's owner and item"),
    ],
)
def test_a_credit_that_does_not_fit_its_charge_is_refused(
    connection: Connection, facts: dict[str, Any], reason: str
) -> None:
    add_fine(connection)
    add_credit(connection)
    with pytest.raises(LedgerError, match=reason):
        add_credit(connection, amount=D("1.00"), **facts)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"user_id": 77}, "there is no user 77"),
        ({"item_id": 77}, "there is no item 77"),
        ({"owner_library": "GONE"}, "there is no library GONE"),
        ({"currency": "€"}, "€ is no currency"),
        ({"fine_fee_type": "CREDIT"}, "type CREDIT is for credits"),
        ({"fine_fee_type": " "}, "fine/fee type is missing"),
        ({"source_id": "F-1"}, "F-1 of the library system is in the ledger already"),
        ({"created_at": datetime(2026, 5, 1, 12, 0)}, "time zone"),  # noqa: DTZ001
        ({"item_due_date": datetime(2026, 5, 1, 12, 0)}, "time zone"),  # noqa: DTZ001
        ({"vat": D("0.001")}, "EUR, which has 2 decimals"),
    ],
)
def test_an_invalid_fine_is_refused_and_the_transaction_can_continue(
    connection: Connection, facts: dict[str, Any], reason: str
) -> None:
    add_fine(connection, source_id="F-1")
    with pytest.raises(LedgerError, match=reason):
        add_fine(connection, **facts)
    assert connection.scalar(text("SELECT count(*) FROM fines")) == 1


INVALID_AMOUNTS = ["0", "-1.00", "0.001", "1.005", "NaN", "Infinity", "100000000000"]


@pytest.mark.parametrize("amount", INVALID_AMOUNTS)
def test_an_invalid_amount_is_refused(connection: Connection, amount: str) -> None:
    fine_id = add_fine(connection, amount=D("50.00"))
    for operation in (
        lambda: add_fine(connection, amount=D(amount)),
        lambda: add_credit(connection, amount=D(amount)),
        lambda: desk.pay(connection, fine_id, D(amount)),
        lambda: desk.waive(connection, fine_id, D(amount)),
    ):
        with pytest.raises(LedgerError, match="sum"):
            operation()
    assert list_entries(connection, fine_id) == [("CHARGED", D("50.00"), None)]


@pytest.mark.parametrize("amount", [1.5, 2, "3.00"])
def test_money_of_another_type_than_decimal_is_a_type_error(connection: Connection, amount: object) -> None:
    fine_id = add_fine(connection)
    with pytest.raises(TypeError, match="money is Decimal"):
        desk.pay(connection, fine_id, amount)  # type: ignore[arg-type]


@pytest.mark.parametrize("operation", [desk.pay, desk.waive])
def test_an_amount_above_the_balance_is_refused(connection: Connection, operation: Callable[..., Decimal]) -> None:
    fine_id = add_fine(connection, amount=D("5.00"))
    operation(connection, fine_id, D("2.00"))
    with pytest.raises(LedgerError, match=r"^Only 3\.00 EUR of fine 1 is open; 3\.01 EUR is more\.$"):
        operation(connection, fine_id, D("3.01"))


OPERATIONS: list[Callable[[Connection, int], Any]] = [
    desk.pay,
    desk.waive,
    lambda connection, fine_id: desk.dispute(connection, fine_id, "not mine"),
]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_on_an_unknown_fine_is_refused(
    connection: Connection, operation: Callable[[Connection, int], Any]
) -> None:
    with pytest.raises(LedgerError, match=r"^There is no fine 404\.$"):
        operation(connection, 404)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_on_a_paid_fine_is_refused(
    connection: Connection, operation: Callable[[Connection, int], Any]
) -> None:
    fine_id = add_fine(connection)
    desk.pay(connection, fine_id)
    with pytest.raises(LedgerError, match=r"^Nothing is owed on fine 1 any more\.$"):
        operation(connection, fine_id)


@pytest.mark.parametrize(
    ("import_active", "reason"),
    [
        (
            True,
            r"^Fine 1 was exported to the bursar in batch 9; (5\.00 EUR .*is outstanding there, and |a dispute would)",
        ),
        (False, r"^Fine 1 was exported to the bursar in batch 9; nothing is owed at the library"),
    ],
)
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("new", [add_fine, add_credit])
def test_an_operation_on_an_exported_fine_is_refused_and_names_the_batch(
    connection: Connection,
    new: Callable[[Connection], int],
    operation: Callable[[Connection, int], Any],
    *,
    import_active: bool,
    reason: str,
) -> None:
    fine_id = new(connection)
    close_export(connection, fine_id, import_active=import_active)
    with pytest.raises(LedgerError, match=reason):
        operation(connection, fine_id)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_on_a_claimed_fine_is_refused_and_names_the_batch(
    connection: Connection, operation: Callable[[Connection, int], Any]
) -> None:
    fine_id = add_fine(connection)
    connection.execute(text("INSERT INTO batch_claims VALUES (:id, 4)"), {"id": fine_id})
    with pytest.raises(LedgerError, match="fine 1 is on its way to the bursar in batch 4; it can be changed when that"):
        operation(connection, fine_id)
    assert list_entries(connection, fine_id) == [("CHARGED", D("5.00"), None)]
    connection.exec_driver_sql("DELETE FROM batch_claims")
    operation(connection, fine_id)


def test_a_fine_is_disputed_until_the_dispute_is_resolved(connection: Connection) -> None:
    fine_id = add_fine(connection, amount=D("5.00"))
    desk.dispute(connection, fine_id, "returned in time")
    desk.pay(connection, fine_id, D("1.00"))
    assert (get_fine(connection, fine_id).status, get_fine(connection, fine_id).balance) == ("DISPUTED", D("4.00"))
    with pytest.raises(LedgerError, match=r"^Fine 1 is disputed already\.$"):
        desk.dispute(connection, fine_id, "again")
    desk.resolve_dispute(connection, fine_id, "seen on the shelf")
    assert get_fine(connection, fine_id).status == "ACTIVE"
    with pytest.raises(LedgerError, match=r"^Fine 1 is not disputed\.$"):
        desk.resolve_dispute(connection, fine_id, "again")
    assert list_entries(connection, fine_id)[1:] == [
        ("DISPUTED", 0, "returned in time"),
        ("PAID", D("-1.00"), None),
        ("DISPUTE_SETTLED", 0, "seen on the shelf"),
    ]


def test_a_disputed_fine_that_is_waived_is_closed(connection: Connection) -> None:
    fine_id = add_fine(connection)
    desk.dispute(connection, fine_id, "not mine")
    desk.waive(connection, fine_id, comment="granted")
    assert get_fine(connection, fine_id).status == "CLOSED"


def test_simultaneous_desks_cannot_accept_the_same_payment_twice(ledger: Engine, connection: Connection) -> None:
    fine_id = add_fine(connection, amount=D("5.00"))
    connection.commit()
    outcomes: list[Decimal | LedgerError] = []
    pids: list[int] = []
    first_has_paid, second_waits = threading.Event(), threading.Event()

    def pay_at_second_desk() -> None:
        with ledger.begin() as second:
            pids.append(second.execute(text("SELECT pg_backend_pid()")).scalar_one())
            first_has_paid.wait(10)
            second_waits.set()
            try:
                outcomes.append(desk.pay(second, fine_id, D("5.00")))
            except LedgerError as refusal:
                outcomes.append(refusal)

    other = threading.Thread(target=pay_at_second_desk)
    other.start()
    with ledger.begin() as first:
        outcomes.append(desk.pay(first, fine_id, D("5.00")))
        first_has_paid.set()
        second_waits.wait(10)
        wait_until_blocked(first, pids[0])
    other.join(10)

    assert outcomes[0] == 0
    assert str(outcomes[1]) == "Nothing is owed on fine 1 any more."
    with ledger.connect() as after:
        assert list_entries(after, fine_id) == [("CHARGED", D("5.00"), None), ("PAID", D("-5.00"), None)]


def test_a_payment_during_a_selection_waits_and_is_then_refused(ledger: Engine, connection: Connection) -> None:
    fine_id = add_fine(connection)
    connection.commit()
    refusals: list[str] = []
    pids: list[int] = []
    ready = threading.Event()

    def pay_during_selection() -> None:
        with ledger.begin() as paying:
            pids.append(paying.execute(text("SELECT pg_backend_pid()")).scalar_one())
            ready.set()
            with pytest.raises(LedgerError) as refusal:
                desk.pay(paying, fine_id)
            refusals.append(str(refusal.value))

    other = threading.Thread(target=pay_during_selection)
    with ledger.begin() as selecting:
        selecting.execute(query("ledger/lock_fines_table"))
        other.start()
        ready.wait(10)
        wait_until_blocked(selecting, pids[0])
        selecting.execute(text("INSERT INTO batch_claims VALUES (:id, 4)"), {"id": fine_id})
    other.join(10)

    assert len(refusals) == 1
    assert "in batch 4" in refusals[0]


def wait_until_blocked(connection: Connection, pid: int) -> None:
    """Waits until another session waits for a lock."""
    for _ in range(1000):
        if connection.scalar(text("SELECT cardinality(pg_blocking_pids(:pid))"), {"pid": pid}):
            return
        connection.execute(text("SELECT pg_sleep(0.02)"))
    pytest.fail("the other desk did not wait")
