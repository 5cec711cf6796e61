"""Koha's account lines become the ledger's fines, by the saved SQL reports in include/sources.examples/koha.

The reports are SQL that MySQL and PostgreSQL share, but for the quotes of two headings. They run here on PostgreSQL.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from demo.postgres import Postgres
from tests.support.fake_bursar import Payment
from tests.support.mapped_source import MappedSource, write_results

TABLES = """
CREATE TABLE branches (branchcode text PRIMARY KEY, branchname text);
CREATE TABLE categories (categorycode text PRIMARY KEY, description text);
CREATE TABLE borrowers (borrowernumber int PRIMARY KEY, cardnumber text, userid text, surname text, firstname text,
                        categorycode text, branchcode text, dateexpiry date);
CREATE TABLE borrower_attributes (borrowernumber int, code text, attribute text);
CREATE TABLE biblio (biblionumber int PRIMARY KEY, title text);
CREATE TABLE items (itemnumber int PRIMARY KEY, barcode text, homebranch text, itemcallnumber text, biblionumber int);
CREATE TABLE accountlines (accountlines_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, borrowernumber int,
                           itemnumber int, date timestamp(0) NOT NULL DEFAULT '2026-03-02 09:30:00',
                           amount numeric(28, 6),
                           amountoutstanding numeric(28, 6), debit_type_code text, credit_type_code text, status text,
                           branchcode text, timestamp timestamp NOT NULL DEFAULT now());
CREATE TABLE account_offsets (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, debit_id int, credit_id int,
                              type text, amount numeric(28, 6));
"""
ROWS = """
TRUNCATE branches, categories, borrowers, borrower_attributes, biblio, items, accountlines, account_offsets
    RESTART IDENTITY;
INSERT INTO branches VALUES ('MAIN', 'Main Library'), ('LAW', 'Law Library');
INSERT INTO categories VALUES ('ST', 'Students');
INSERT INTO borrowers VALUES (7, '23529000', 'ada', 'Okonkwo', 'Ada', 'ST', 'LAW', '2027-08-31'),
                             (8, '23529001', NULL, 'Ng', NULL, 'ST', 'LAW', NULL);
INSERT INTO borrower_attributes VALUES (7, 'STUDENT_NO', '00000007'), (8, 'STUDENT_NO', '00000008');
INSERT INTO biblio VALUES (1, 'Torts, cases and "materials"');
INSERT INTO items VALUES (5, '39001000123', 'MAIN', 'KF1250', 1);
"""


class Koha:
    """Writes account lines and offsets as Koha does."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection

    def one(self, sql: str, *values: Any) -> Any:
        row = self.connection.execute(sql.encode(), values).fetchone()
        return row[0] if row else None

    def charge(self, type_: str, amount: str, status: str | None = None, *, item: int | None = 5) -> int:
        """Adds a debit; an overdue fine has no branch."""
        id_: int = self.one(
            "INSERT INTO accountlines (borrowernumber, itemnumber, amount, amountoutstanding, debit_type_code, status,"
            " branchcode) VALUES (7, %s, %s, %s, %s, %s, %s) RETURNING accountlines_id",
            item, amount, amount, type_, status, None if type_ == "OVERDUE" else "MAIN",
        )  # fmt: skip
        self.one(
            "INSERT INTO account_offsets (debit_id, type, amount) VALUES (%s, 'CREATE', %s) RETURNING id", id_, amount
        )
        return id_

    def credit(self, type_: str, amount: str, *debits: int) -> int:
        """Adds a credit, and applies it to debits as far as they are open."""
        id_: int = self.one(
            "INSERT INTO accountlines (borrowernumber, itemnumber, amount, amountoutstanding, credit_type_code,"
            " branchcode) VALUES (7, 5, -%s, -%s, %s, 'LAW') RETURNING accountlines_id",
            Decimal(amount), Decimal(amount), type_,
        )  # fmt: skip
        for debit in debits:
            used = min(self.outstanding(debit), -self.outstanding(id_))
            if used:
                self.offset(debit, id_, "APPLY", -used)
        return id_

    def offset(self, debit: int, credit: int, type_: str, amount: Decimal) -> None:
        """Moves an amount between a debit and a credit; it is negative if the credit pays."""
        self.one(
            "INSERT INTO account_offsets (debit_id, credit_id, type, amount) VALUES (%s, %s, %s, %s) RETURNING id",
            debit, credit, type_, amount,
        )  # fmt: skip
        for line, sign in ((debit, 1), (credit, -1)):
            self.update(line, amountoutstanding=self.outstanding(line) + sign * amount)

    def void(self, credit: int) -> None:
        """Voids a credit: its debits are open again, and a debit VOID closes it."""
        paid = self.connection.execute(
            "SELECT debit_id, amount FROM account_offsets WHERE credit_id = %s AND type = 'APPLY'", [credit]
        ).fetchall()
        for debit, amount in paid:
            self.offset(debit, credit, "VOID", -amount)
        self.offset(self.charge("VOID", str(-self.outstanding(credit))), credit, "VOID", self.outstanding(credit))
        self.update(credit, status="VOID")

    def find(self, lost: int) -> int:
        """Checks a lost item in: what has been paid and what is open becomes a credit, which is applied."""
        paid = self.one(
            "SELECT -coalesce(sum(o.amount), 0) FROM account_offsets o"
            " JOIN accountlines c ON c.accountlines_id = o.credit_id"
            " WHERE o.debit_id = %s AND c.credit_type_code <> 'WRITEOFF'",
            lost,
        )
        credit = self.credit("LOST_FOUND", str(self.outstanding(lost) + paid), lost)
        self.update(lost, status="FOUND")
        return credit

    def cancel(self, debit: int) -> None:
        """Cancels a debit."""
        self.credit("CANCELLATION", str(self.outstanding(debit)), debit)
        self.update(debit, status="CANCELLED")

    def outstanding(self, line: int) -> Decimal:
        return Decimal(self.one("SELECT amountoutstanding FROM accountlines WHERE accountlines_id = %s", line))

    def update(self, line: int, **values: Any) -> None:
        for column, value in values.items():
            self.one(f"UPDATE accountlines SET {column} = %s WHERE accountlines_id = %s RETURNING 1", value, line)


@pytest.fixture(scope="module")
def database(postgres: Postgres) -> Iterator[psycopg.Connection]:
    """Opens a database with the tables of Koha that the reports read."""
    postgres.create("koha")
    with postgres.connect("koha") as connection:
        connection.execute(TABLES)
        yield connection


@pytest.fixture
def koha(database: psycopg.Connection) -> Koha:
    """Returns a Koha with two patrons and an item, and no account lines."""
    database.execute(ROWS)
    return Koha(database)


@pytest.fixture
def source(koha: Koha, make_mapped: Callable[..., MappedSource]) -> MappedSource:
    """Returns a source of the results of the reports."""
    return make_mapped(lambda folder: write_results(koha.connection, "koha", folder))


def test_patrons_items_and_owners_are_those_of_koha(koha: Koha, source: MappedSource) -> None:
    koha.charge("LOST", "50")
    koha.charge("OVERDUE", "1", "RETURNED")
    koha.charge("NEW_CARD", "5", item=None)
    assert source.sync() == []
    lines = (
        "SELECT string_agg(concat_ws('|', fine_fee_type, owner_library, barcode, title, call_number, library), E'\\n'"
        " ORDER BY fines.id) FROM fines LEFT JOIN items ON items.id = fines.item_id"
    )
    item = '39001000123|Torts, cases and "materials"|KF1250|MAIN'
    assert source.library.one(lines) == f"LOST|MAIN|{item}\nOVERDUE|MAIN|{item}\nNEW_CARD|MAIN"
    users = "SELECT string_agg(type || '=' || value, ' ' ORDER BY user_id, type) FROM identifiers"
    assert source.library.one(users) == (
        "02=00000007 BARCODE=23529000 sourceId:LAW=7 userName=ada "
        "02=00000008 BARCODE=23529001 sourceId:LAW=8 userName=23529001"
    )
    assert source.library.one("SELECT min(created_at AT TIME ZONE 'America/New_York')::text FROM fines") == (
        "2026-03-02 09:30:00"
    )


def test_an_item_that_is_found_before_the_export_leaves_nothing_to_export(koha: Koha, source: MappedSource) -> None:
    lost = koha.charge("LOST", "50")
    source.sync()
    credit = koha.find(lost)
    assert source.sync() == []
    assert source.entries(str(lost)) == [("REVERSED", "-50.00", "0.00")]
    assert source.entries(str(credit)) == [("REVERSED", "50.00", "0.00")]
    assert source.export() == []


def test_an_item_that_is_found_after_the_export_is_reversed_at_the_bursar(koha: Koha, source: MappedSource) -> None:
    lost, fee = koha.charge("LOST", "50"), koha.charge("PROCESSING", "10")
    source.sync()
    assert source.export() == [("50.00", None), ("10.00", None)]
    found = koha.find(lost)
    processed = koha.credit("PROCESSING_FOUND", "10", fee)
    assert source.sync() == []
    assert source.export() == [("-50.00", "1"), ("-10.00", "2")]
    for id_ in (lost, fee, found, processed):
        assert source.position(str(id_)) == ("CLOSED", "0.00", "0.00")
    assert source.sync() == []
    assert source.export() == []


def test_an_item_that_is_found_after_its_fee_was_paid_at_the_bursar_is_credited_there(
    koha: Koha, source: MappedSource
) -> None:
    lost = koha.charge("LOST", "50")
    source.sync()
    source.export()
    source.bursar.pay(Payment("1", "50"))
    koha.find(lost)
    assert source.sync() == []
    assert source.export() == [("-50.00", "1")]
    assert source.library.one("SELECT sum(outstanding) FROM fines") == -50


def test_an_item_that_is_found_after_a_part_was_paid_returns_that_part(koha: Koha, source: MappedSource) -> None:
    lost = koha.charge("LOST", "50")
    source.sync()
    source.export()
    koha.credit("PAYMENT", "20", lost)
    assert source.sync() == []
    koha.find(lost)
    assert source.sync() == []
    assert sum(Decimal(amount) for amount, _ in source.export()) == -70, "50 charged, 20 paid: 20 are the student's"
    assert source.library.one("SELECT sum(outstanding) FROM fines") == -20


def test_an_item_that_is_found_after_koha_closed_its_fee_is_reversed_at_the_bursar(
    koha: Koha, make_mapped: Callable[..., MappedSource]
) -> None:
    source = make_mapped(lambda folder: write_results(koha.connection, "koha", folder), closes=True)
    lost = koha.charge("LOST", "50")
    source.sync()
    source.export()
    koha.credit("BURSAR", "50", lost)
    assert source.sync() == []
    assert source.export() == []
    credit = koha.find(lost)
    assert koha.outstanding(credit) == -50
    assert source.sync() == []
    assert source.export() == [("-50.00", "1")]


def test_a_voided_payment_opens_the_fine_again(koha: Koha, source: MappedSource) -> None:
    fine = koha.charge("NEW_CARD", "5", item=None)
    source.sync()
    payment = koha.credit("PAYMENT", "5", fine)
    assert source.sync() == []
    koha.void(payment)
    assert source.sync() == []
    assert source.entries(str(fine)) == [("PAID", "-5.00", "0.00"), ("REOPENED", "5.00", "0.00")]
    assert source.export() == [("5.00", None)]


def test_a_refund_that_was_paid_out_bills_and_credits_nothing(koha: Koha, source: MappedSource) -> None:
    fine = koha.charge("NEW_CARD", "5", item=None)
    koha.credit("PAYMENT", "5", fine)
    source.sync()
    credit = koha.credit("REFUND", "3")
    assert source.sync() == []
    assert source.open_fines() == {str(credit): "-3.00"}, "until it is paid out, the library owes it"
    koha.update(fine, status="REFUNDED")
    payout = koha.charge("PAYOUT", "3", item=None)
    koha.offset(payout, credit, "APPLY", Decimal(-3))
    assert source.sync() == []
    assert source.open_fines() == {}
    assert source.export() == []


def test_a_refund_of_a_fine_that_is_with_the_bursar_is_for_a_person(koha: Koha, source: MappedSource) -> None:
    fine = koha.charge("NEW_CARD", "5", item=None)
    source.sync()
    source.export()
    payment = koha.credit("PAYMENT", "5", fine)
    assert source.sync() == []
    assert source.export() == [("-5.00", "1")]
    koha.void(payment)
    assert source.sync() == ["came_back"]


def test_a_partial_payment_reduces_what_is_exported(koha: Koha, source: MappedSource) -> None:
    fine = koha.charge("LOST", "50")
    source.sync()
    koha.credit("PAYMENT", "20", fine)
    assert source.sync() == []
    assert source.export() == [("30.00", None)]
    koha.credit("PAYMENT", "12.5", fine)
    assert source.sync() == []
    assert source.position(str(fine)) == ("CLOSED", "0.00", "17.50")
    assert source.export() == [("-12.50", "1")]


def test_an_overdue_fine_grows_until_the_item_is_returned(koha: Koha, source: MappedSource) -> None:
    fine = koha.charge("OVERDUE", "0.333333", "UNRETURNED")
    assert source.sync() == []
    assert source.export() == []
    koha.update(fine, amount=1, amountoutstanding=1)
    assert source.sync() == []
    assert source.export() == []
    koha.update(fine, amount="1.335000", amountoutstanding="1.335000", status="RETURNED")
    assert source.sync() == []
    assert source.entries(str(fine)) == [("ADJUSTED", "0.67", "0.00"), ("ADJUSTED", "0.34", "0.00")]
    assert source.export() == [("1.34", None)]


@pytest.mark.parametrize(("how", "entry"), [("WRITEOFF", "WAIVED"), ("FORGIVEN", "WAIVED"), ("CANCELLED", "CANCELLED")])
def test_what_is_written_off_or_cancelled_is_no_payment(koha: Koha, source: MappedSource, how: str, entry: str) -> None:
    before, after = koha.charge("LOST", "50"), koha.charge("NEW_CARD", "5", item=None)
    koha.update(before, itemnumber=None)
    source.sync()

    def settle(fine: int) -> None:
        if how == "CANCELLED":
            koha.cancel(fine)
        else:
            koha.credit(how, str(koha.outstanding(fine)), fine)

    settle(before)
    assert source.sync() == []
    assert source.entries(str(before)) == [(entry, "-50.00", "0.00")]
    assert source.export() == [("5.00", None)]
    settle(after)
    assert source.sync() == []
    assert source.entries(str(after))[-1] == (entry, "0.00", "-5.00")
    assert source.export() == [("-5.00", "1")]


def test_a_voided_credit_that_was_not_exported_is_cancelled(koha: Koha, source: MappedSource) -> None:
    credit = koha.credit("CREDIT", "4")
    source.sync()
    koha.void(credit)
    assert source.sync() == []
    assert source.open_fines() == {}
    assert source.export() == []
