"""Evergreen's transactions become the ledger's fines, by the queries in include/sources.examples/evergreen."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from demo.postgres import Postgres
from tests.support.fake_bursar import Payment
from tests.support.mapped_source import MappedSource, write_results

TABLES = """
CREATE SCHEMA money; CREATE SCHEMA action; CREATE SCHEMA booking; CREATE SCHEMA actor; CREATE SCHEMA permission;
CREATE SCHEMA asset; CREATE SCHEMA metabib; CREATE SCHEMA config;
CREATE TABLE permission.grp_tree (id int, name text);
CREATE TABLE actor.org_unit (id int, shortname text, name text);
CREATE TABLE actor.card (id int, usr int, barcode text);
CREATE TABLE actor.usr (id int, card int, profile int, usrname text, family_name text, first_given_name text,
                        ident_value2 text, expire_date timestamptz, deleted boolean NOT NULL DEFAULT false);
CREATE TABLE asset.call_number (id bigint, record bigint, label text);
CREATE TABLE asset.copy (id bigint, call_number bigint, barcode text, circ_lib int);
CREATE TABLE config.display_field_map (name text, field int);
CREATE TABLE metabib.display_entry (source bigint, field int, value text);
CREATE TABLE money.billable_xact (id bigserial, usr int, xact_start timestamptz DEFAULT now(),
                                  xact_finish timestamptz);
CREATE TABLE money.grocery (billing_location int, note text) INHERITS (money.billable_xact);
CREATE TABLE action.circulation (circ_lib int, target_copy bigint, due_date timestamptz, stop_fines text)
    INHERITS (money.billable_xact);
CREATE TABLE booking.reservation (pickup_lib int) INHERITS (money.billable_xact);
CREATE TABLE money.billing (id bigint GENERATED ALWAYS AS IDENTITY, xact bigint,
                            create_date timestamptz NOT NULL DEFAULT now(), billing_ts timestamptz,
                            period_end timestamptz, voided boolean NOT NULL DEFAULT false,
                            void_time timestamptz, amount numeric(6, 2) NOT NULL, billing_type text NOT NULL);
CREATE TABLE money.payment (id bigserial, xact bigint, payment_ts timestamptz DEFAULT now(),
                            voided boolean NOT NULL DEFAULT false, amount numeric(6, 2) NOT NULL, note text);
CREATE TABLE money.cash_payment () INHERITS (money.payment);
CREATE TABLE money.check_payment () INHERITS (money.payment);
CREATE TABLE money.forgive_payment () INHERITS (money.payment);
CREATE TABLE money.account_adjustment () INHERITS (money.payment);
CREATE VIEW money.payment_view AS
    SELECT p.*, c.relname AS payment_type FROM money.payment p JOIN pg_class c ON p.tableoid = c.oid;
-- Evergreen keeps it by triggers.
CREATE VIEW money.materialized_billable_xact_summary AS
    SELECT one.id, one.usr, one.xact_start, one.xact_finish,
           coalesce((SELECT sum(amount) FROM money.billing WHERE xact = one.id AND NOT voided), 0)
               - coalesce((SELECT sum(amount) FROM money.payment WHERE xact = one.id AND NOT voided), 0) AS balance_owed
    FROM money.billable_xact AS one;
"""
ROWS = """
TRUNCATE permission.grp_tree, actor.org_unit, actor.card, actor.usr, asset.call_number, asset.copy,
         config.display_field_map, metabib.display_entry, money.billable_xact, money.grocery, action.circulation,
         booking.reservation, money.billing, money.payment,
         money.cash_payment, money.check_payment, money.forgive_payment, money.account_adjustment;
INSERT INTO permission.grp_tree VALUES (2, 'Students');
INSERT INTO actor.org_unit VALUES (1, 'MAIN', 'Main Library'), (2, 'LAW', 'Law Library');
INSERT INTO actor.usr VALUES (7, 70, 2, 'ada', 'Okonkwo', 'Ada', '00000007', '2027-08-31 23:59:59-04', false),
                             (8, NULL, 2, 'gone', 'Ng', 'Eve', NULL, NULL, true);
INSERT INTO actor.card VALUES (70, 7, '23529000'), (71, 7, 'old card');
INSERT INTO asset.call_number VALUES (3, 9, 'KF1250'), (-1, -1, '##');
INSERT INTO asset.copy VALUES (5, 3, '39001000123', 2);
INSERT INTO config.display_field_map VALUES ('title', 6);
INSERT INTO metabib.display_entry VALUES (9, 6, 'Torts, cases and "materials"'), (9, 8, 'Prosser');
"""


class Evergreen:
    """Writes transactions, billings and payments as Evergreen does."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection
        self.number = 100

    def run(self, sql: str, *values: Any) -> None:
        self.connection.execute(sql.encode(), values)

    def loan(self, stop_fines: str | None = "LOST") -> int:
        """Adds a circulation, which accrues until `stop_fines` is set."""
        self.number += 1
        self.run(
            "INSERT INTO action.circulation (id, usr, circ_lib, target_copy, due_date, stop_fines)"
            " VALUES (%s, 7, 1, 5, '2026-02-01 23:59:59-05', %s)",
            self.number, stop_fines,
        )  # fmt: skip
        return self.number

    def grocery(self, *bills: str) -> int:
        """Adds a bill without a loan."""
        self.number += 1
        self.run("INSERT INTO money.grocery (id, usr, billing_location) VALUES (%s, 7, 2)", self.number)
        for amount in bills:
            self.bill(self.number, amount, "Misc")
        return self.number

    def bill(self, xact: int, amount: str, type_: str = "Lost Materials") -> None:
        """Adds a billing. The time of an overdue one is the end of its day."""
        end = datetime.now(UTC).replace(hour=23, minute=59, second=59, microsecond=0) if type_ == "Overdue" else None
        self.run(
            "INSERT INTO money.billing (xact, amount, billing_type, billing_ts, period_end)"
            " VALUES (%s, %s, %s, coalesce(%s, now()), %s)",
            xact, amount, type_, end, end,
        )  # fmt: skip

    def pay(self, xact: int, amount: str, type_: str = "cash_payment") -> None:
        """Adds a payment; one of a negative amount is a refund."""
        self.run(f"INSERT INTO money.{type_} (xact, amount) VALUES (%s, %s)", xact, amount)

    def void(self, xact: int, type_: str = "Lost Materials") -> None:
        """Voids billings."""
        self.run(
            "UPDATE money.billing SET voided = true, void_time = now() WHERE xact = %s AND billing_type = %s",
            xact,
            type_,
        )

    def stop(self, xact: int, reason: str) -> None:
        """Ends the growth of a fine."""
        self.run("UPDATE action.circulation SET stop_fines = %s WHERE id = %s", reason, xact)


@pytest.fixture(scope="module")
def database(postgres: Postgres) -> Iterator[psycopg.Connection]:
    """Opens a database with the tables of Evergreen that the queries read."""
    postgres.create("evergreen")
    with postgres.connect("evergreen") as connection:
        connection.execute(TABLES.encode())
        yield connection


@pytest.fixture
def evergreen(database: psycopg.Connection) -> Evergreen:
    """Returns an Evergreen with one patron and one item, and no transactions."""
    database.execute(ROWS.encode())
    return Evergreen(database)


@pytest.fixture
def source(evergreen: Evergreen, make_mapped: Callable[..., MappedSource]) -> MappedSource:
    """Returns a source of the results of the queries."""
    return make_mapped(lambda folder: write_results(evergreen.connection, "evergreen", folder))


def test_patrons_items_and_owners_are_those_of_evergreen(evergreen: Evergreen, source: MappedSource) -> None:
    lost = evergreen.loan()
    evergreen.bill(lost, "0.50", "Overdue")
    evergreen.bill(lost, "50")
    evergreen.bill(lost, "10", "Lost Materials Processing Fee")
    evergreen.grocery("3", "1.5")
    assert source.sync() == []
    lines = (
        "SELECT string_agg(concat_ws('|', fine_fee_type, amount, owner_library, barcode, title, call_number, library,"
        " item_due_date AT TIME ZONE 'America/New_York'), E'\\n' ORDER BY fines.id)"
        " FROM fines LEFT JOIN items ON items.id = fines.item_id"
    )
    assert source.library.one(lines) == (
        'Lost Materials|60.500|MAIN|39001000123|Torts, cases and "materials"|KF1250|LAW|2026-02-01 23:59:59\n'
        "Misc|4.500|LAW"
    )
    users = "SELECT string_agg(type || '=' || value, ' ' ORDER BY user_id, type) FROM identifiers"
    assert source.library.one(users) == "02=00000007 BARCODE=23529000 sourceId:LAW=7 userName=ada"


def test_an_item_that_is_returned_before_the_export_leaves_its_overdue_fine(
    evergreen: Evergreen, source: MappedSource
) -> None:
    lost = evergreen.loan()
    evergreen.bill(lost, "0.50", "Overdue")
    evergreen.bill(lost, "50")
    source.sync()
    evergreen.void(lost)
    assert source.sync() == []
    assert source.entries(str(lost)) == [("CANCELLED", "-50.00", "0.00")]
    assert source.export() == [("0.50", None)]


def test_an_item_that_is_returned_after_the_export_is_reversed_at_the_bursar(
    evergreen: Evergreen, source: MappedSource
) -> None:
    voided, adjusted = evergreen.loan(), evergreen.loan()
    for xact in (voided, adjusted):
        evergreen.bill(xact, "50")
    source.sync()
    assert source.export() == [("50.00", None)] * 2
    evergreen.void(voided)
    evergreen.pay(adjusted, "50", "account_adjustment")
    assert source.sync() == []
    for xact in (voided, adjusted):
        assert source.entries(str(xact))[-1] == ("CANCELLED", "0.00", "-50.00")
    assert source.export() == [("-50.00", "1"), ("-50.00", "2")]
    assert source.sync() == []
    assert source.export() == []


def test_an_item_that_is_returned_after_its_fee_was_paid_at_the_bursar_is_for_a_person(
    evergreen: Evergreen, source: MappedSource
) -> None:
    voided, adjusted = evergreen.loan(), evergreen.loan()
    for xact in (voided, adjusted):
        evergreen.bill(xact, "50")
    source.sync()
    source.export()
    source.bursar.pay(Payment("1", "50"), Payment("2", "50"))
    evergreen.void(voided)
    evergreen.pay(adjusted, "50", "account_adjustment")
    assert source.sync() == ["cancelled_late", "settled_twice"]
    assert source.export() == []


def test_an_item_that_is_returned_after_a_part_was_paid_returns_that_part(
    evergreen: Evergreen, source: MappedSource
) -> None:
    lost = evergreen.loan()
    evergreen.bill(lost, "50")
    source.sync()
    source.export()
    evergreen.pay(lost, "20", "check_payment")
    assert source.sync() == []
    evergreen.void(lost)
    assert source.sync() == []
    assert sum(Decimal(amount) for amount, _ in source.export()) == -70, "50 charged, 20 paid: 20 are the student's"
    assert source.library.one("SELECT sum(outstanding) FROM fines") == -20


def test_an_item_that_is_returned_after_evergreen_closed_its_fee_is_reversed_at_the_bursar(
    evergreen: Evergreen, make_mapped: Callable[..., MappedSource]
) -> None:
    """The query has the change that its comment names."""
    change = ("NULL, -- with closes", "CAST(id AS text), -- with closes")
    source = make_mapped(lambda folder: write_results(evergreen.connection, "evergreen", folder, *change), closes=True)
    lost = evergreen.loan()
    evergreen.bill(lost, "50")
    source.sync()
    source.export()
    evergreen.pay(lost, "50", "check_payment")
    assert source.sync() == []
    assert source.export() == []
    evergreen.void(lost)
    assert source.sync() == []
    assert source.export() == [("-50.00", "1")]


def test_a_refund_opens_a_fine_again(evergreen: Evergreen, source: MappedSource) -> None:
    card = evergreen.grocery("5")
    source.sync()
    evergreen.pay(card, "5")
    assert source.sync() == []
    evergreen.pay(card, "-5")
    assert source.sync() == []
    assert source.entries(str(card)) == [("PAID", "-5.00", "0.00"), ("REOPENED", "5.00", "0.00")]
    assert source.export() == [("5.00", None)]
    evergreen.pay(card, "5")
    assert source.sync() == []
    assert source.export() == [("-5.00", "1")]
    evergreen.pay(card, "-5")
    assert source.sync() == ["came_back"]


def test_what_was_paid_before_it_was_voided_is_a_credit_until_it_is_paid_out(
    evergreen: Evergreen, source: MappedSource
) -> None:
    lost = evergreen.loan()
    evergreen.bill(lost, "50")
    source.sync()
    evergreen.pay(lost, "50")
    source.sync()
    evergreen.void(lost)
    assert source.sync() == []
    assert source.open_fines() == {f"C{lost}": "-50.00"}
    evergreen.pay(lost, "-50")
    assert source.sync() == ["missing_fine"], "a person decides whether to pay it out in the ledger too"


def test_a_partial_payment_reduces_what_is_exported(evergreen: Evergreen, source: MappedSource) -> None:
    lost = evergreen.loan()
    evergreen.bill(lost, "50")
    source.sync()
    evergreen.pay(lost, "20")
    assert source.sync() == []
    assert source.export() == [("30.00", None)]
    evergreen.pay(lost, "12.5")
    assert source.sync() == []
    assert source.position(str(lost)) == ("CLOSED", "0.00", "17.50")
    assert source.export() == [("-12.50", "1")]


def test_an_overdue_fine_grows_until_it_stops(evergreen: Evergreen, source: MappedSource) -> None:
    loan = evergreen.loan(stop_fines=None)
    for night in range(1, 4):
        evergreen.bill(loan, "0.25", "Overdue")
        assert source.sync() == []
        assert source.position(str(loan)) == ("ACTIVE", f"{night * Decimal('0.25'):.2f}", "0.00")
        assert source.export() == []
    created = source.library.one("SELECT created_at FROM fines")
    assert created < datetime.now(UTC), "it is no moment at the end of the day"
    assert created > datetime.now(UTC) - timedelta(minutes=5)
    evergreen.stop(loan, "CHECKIN")
    assert source.sync() == []
    assert source.export() == [("0.75", None)]


def test_a_claim_is_suspended_and_what_is_forgiven_is_waived(evergreen: Evergreen, source: MappedSource) -> None:
    claimed, forgiven = evergreen.loan("CLAIMSRETURNED"), evergreen.grocery("5")
    evergreen.bill(claimed, "50")
    source.sync()
    assert source.position(str(claimed)) == ("DISPUTED", "50.00", "0.00")
    evergreen.pay(forgiven, "5", "forgive_payment")
    assert source.sync() == []
    assert source.entries(str(forgiven)) == [("WAIVED", "-5.00", "0.00")]
    assert source.export() == []


def test_a_payment_that_is_voided_opens_the_fine_again(evergreen: Evergreen, source: MappedSource) -> None:
    card = evergreen.grocery("5")
    evergreen.pay(card, "5")
    source.sync()
    evergreen.run("UPDATE money.payment SET voided = true")
    assert source.sync() == []
    assert source.export() == [("5.00", None)]
