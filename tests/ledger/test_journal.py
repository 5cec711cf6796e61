"""The rules of the ledger for every writer: the journal is append-only, and balances are its sums."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from bursar.errors import LedgerError
from bursar.ledger import desk

D = Decimal

CLAIMED, FIXED, UNKNOWN_FINE, CHECK_VIOLATION = "BU001", "BU002", "BU003", "23514"


@pytest.fixture
def ledger(ledger: Engine, owned_ledger: Engine) -> Engine:
    """Returns the empty ledger in the role of its owner, who has more rights than any other role."""
    return owned_ledger


@pytest.fixture
def connection(ledger: Engine) -> Iterator[Connection]:
    """Opens a transaction on a ledger with two libraries and two users; the first user owes 5.00 EUR as fine 1."""
    with ledger.begin() as connection:
        for sql in (
            "INSERT INTO user_groups VALUES ('UG', 'Undergraduate')",
            "INSERT INTO libraries VALUES ('LAW', '112', 'Law'), ('MAIN', '111', 'Main')",
            "INSERT INTO users (last_name, user_group) VALUES ('Ng', 'UG'), ('Wu', 'UG')",
        ):
            connection.exec_driver_sql(sql)
        desk.add_fine(connection, user_id=1, fine_fee_type="FEE", amount=D(5), currency="EUR", owner_library="LAW")
    with ledger.connect() as connection, connection.begin():
        yield connection


def get_error_code(connection: Connection, sql: str, **parameters: Any) -> str | None:
    """Executes a statement that the ledger rejects; returns the SQLSTATE."""
    with pytest.raises(DBAPIError) as error, connection.begin_nested():
        connection.execute(text(sql), parameters)
    assert isinstance(error.value.orig, psycopg.Error)
    return error.value.orig.sqlstate


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE journal_entries SET comment = 'other'",
        "UPDATE journal_entries SET balance_change = 4",
        "DELETE FROM journal_entries",
        "DELETE FROM journal_entries WHERE id = 404",
        "TRUNCATE journal_entries",
        """INSERT INTO journal_entries (id, fine_id, entry_type) OVERRIDING SYSTEM VALUE VALUES (1, 1, 'PAID')
           ON CONFLICT (id) DO UPDATE SET comment = 'other'""",
    ],
)
def test_the_journal_is_append_only(connection: Connection, sql: str) -> None:
    assert get_error_code(connection, sql) == FIXED


@pytest.mark.parametrize(
    "change",
    [
        "user_id = 2",
        "owner_library = 'MAIN'",
        "owner_library = NULL",
        "fine_fee_type = 'LOSTITEM'",
        "currency = 'USD'",
        "amount = 6",
        "created_at = created_at - interval '1 day'",
    ],
)
def test_the_facts_of_a_fine_can_not_be_changed(connection: Connection, change: str) -> None:
    assert get_error_code(connection, f"UPDATE fines SET {change}") == FIXED


def test_the_comment_of_a_fine_can_be_changed(connection: Connection) -> None:
    connection.exec_driver_sql("UPDATE fines SET comment = 'corrected', user_id = 1, owner_library = 'LAW'")
    assert connection.scalar(text("SELECT comment FROM fines")) == "corrected"


@pytest.mark.parametrize(
    ("balance_change", "outstanding_change"),
    [("0.001", "0"), ("-5.001", "0"), ("0", "0.001"), ("-5", "5.001"), ("-5", "-0.001")],
)
def test_an_entry_beyond_the_amount_of_its_fine_is_rejected(
    connection: Connection, balance_change: str, outstanding_change: str
) -> None:
    sql = (
        "INSERT INTO journal_entries (fine_id, entry_type, balance_change, outstanding_change) VALUES (1, 'PAID', "
        ":change, :other)"
    )
    assert get_error_code(connection, sql, change=D(balance_change), other=D(outstanding_change)) == CHECK_VIOLATION
    assert connection.scalar(text("SELECT count(*) FROM journal_entries")) == 1


def test_an_entry_of_an_unknown_fine_rolls_back_its_statement(connection: Connection) -> None:
    assert (
        get_error_code(
            connection, "INSERT INTO journal_entries (fine_id, entry_type) VALUES (1, 'DISPUTED'), (404, 'PAID')"
        )
        == UNKNOWN_FINE
    )
    assert connection.scalar(text("SELECT status FROM fines")) == "ACTIVE"


def test_all_entries_of_a_statement_change_their_fines(connection: Connection) -> None:
    second = desk.add_fine(connection, user_id=2, fine_fee_type="FEE", amount=D(9), currency="EUR")
    connection.execute(
        text(
            "INSERT INTO journal_entries (fine_id, entry_type, balance_change) VALUES "
            "(1, 'PAID', -1), (:second, 'PAID', -9), (1, 'DISPUTED', 0), (1, 'WAIVED', -2), (1, 'DISPUTED', 0)"
        ),
        {"second": second},
    )
    fines = connection.execute(text("SELECT balance, status FROM fines ORDER BY id")).all()
    assert [tuple(fine) for fine in fines] == [(D(2), "DISPUTED"), (D(0), "CLOSED")]


@pytest.mark.parametrize("kind", ["PAID", "WAIVED", "DISPUTED", "EXPORTED"])
@pytest.mark.parametrize("batch_id", [None, 8])
def test_only_the_batch_that_claims_a_fine_can_post_entries(
    connection: Connection, kind: str, batch_id: int | None
) -> None:
    desk.add_fine(connection, user_id=2, fine_fee_type="FEE", amount=D(9), currency="EUR")
    connection.exec_driver_sql("INSERT INTO batch_claims VALUES (1, 7)")
    sql = (
        "INSERT INTO journal_entries (fine_id, entry_type, batch_id) VALUES (2, 'DISPUTED', :batch), (1, "
        ":entry_type, :batch)"
    )
    assert get_error_code(connection, sql, entry_type=kind, batch=batch_id) == CLAIMED
    connection.execute(text(sql), {"entry_type": kind, "batch": 7})


# Random histories. Each step concerns one of three fines and may be rejected.

CENTS = st.integers(1, 600).map(lambda cents: D(cents) / 100)
STEPS = st.tuples(
    st.sampled_from(
        ["pay", "waive", "dispute", "settle", "export", "export_and_pay", "report_paid", "claim", "release"]
    ),
    st.integers(0, 2),
    st.none() | CENTS,
)


def do_step(connection: Connection, step: str, fine_id: int, amount: Decimal | None) -> None:
    """Does one step with a fine: an operation of the desk, or an entry as exports and imports post it."""
    if step == "pay":
        desk.pay(connection, fine_id, amount)
    elif step == "waive":
        desk.waive(connection, fine_id, amount)
    elif step == "dispute":
        desk.dispute(connection, fine_id, "no")
    elif step == "settle":
        desk.resolve_dispute(connection, fine_id, "yes")
    else:
        connection.execute(text(STATEMENTS_OF_JOBS[step]), {"id": fine_id, "amount": amount or D(1)})


STATEMENTS_OF_JOBS = {
    "export": """
        INSERT INTO journal_entries (fine_id, entry_type, balance_change, outstanding_change, batch_id)
        SELECT fines.id, 'EXPORTED', -balance, balance, batch_id FROM fines JOIN batch_claims ON fine_id = id
        WHERE id = :id AND outstanding = 0 AND status <> 'DISPUTED'""",
    "export_and_pay": """
        INSERT INTO journal_entries (fine_id, entry_type, balance_change, batch_id)
        SELECT fines.id, 'EXPORTED_AND_PAID', -balance, batch_id FROM fines JOIN batch_claims ON fine_id = id
        WHERE id = :id AND status <> 'DISPUTED'""",
    "report_paid": """
        INSERT INTO journal_entries (fine_id, entry_type, outstanding_change)
        SELECT id, 'PAID_AT_BURSAR', -sign(outstanding) * least(abs(outstanding), :amount)
        FROM fines WHERE id = :id AND outstanding <> 0""",
    "claim": "INSERT INTO batch_claims VALUES (:id, 7) ON CONFLICT DO NOTHING",
    "release": "DELETE FROM batch_claims WHERE fine_id = :id",
}


@settings(max_examples=50, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(amounts=st.tuples(CENTS, CENTS, CENTS), steps=st.lists(STEPS, max_size=25))
def test_balances_are_the_sums_of_the_journal_after_any_history(
    connection: Connection, amounts: tuple[Decimal, Decimal, Decimal], steps: list[tuple[str, int, Decimal | None]]
) -> None:
    with connection.begin_nested() as history:
        fines = [
            desk.add_fine(connection, user_id=1, fine_fee_type="FEE", amount=amounts[0], currency="EUR"),
            desk.add_fine(connection, user_id=2, fine_fee_type="FEE", amount=amounts[1], currency="USD"),
            desk.credit(connection, user_id=1, amount=amounts[2], currency="EUR"),
        ]
        for step, number, amount in steps:
            before = get_state(connection)
            try:
                with connection.begin_nested():
                    do_step(connection, step, fines[number], amount)
            except (LedgerError, DBAPIError):
                assert get_state(connection) == before
            for fine_id, (status, balance, outstanding, last, *sums) in get_state(connection).items():
                assert [balance, outstanding, last] == sums
                if fine_id != fines[number]:
                    assert (status, balance, outstanding) == before[fine_id][:3]
                if balance:
                    assert status in ("ACTIVE", "DISPUTED")
                else:
                    assert status in ("CLOSED", "TRANSFERRED")
        history.rollback()


def get_state(connection: Connection) -> dict[int, tuple[Any, ...]]:
    """Returns the status, amounts and last transaction of each fine, and the last three as the journal has them."""
    rows = connection.execute(
        text(
            "SELECT fines.id, status, balance, outstanding, last_transaction_at, "
            "sum(balance_change), sum(outstanding_change), max(posted_at) "
            "FROM fines JOIN journal_entries ON fine_id = fines.id GROUP BY fines.id"
        )
    )
    return {row.id: tuple(row)[1:] for row in rows}
