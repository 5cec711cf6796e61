"""Credits for exported charges: the library's system has applied them, and the bursar receives them in full."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Row, text

from bursar.errors import LedgerError
from bursar.exports.close import close_fines
from bursar.exports.recover import release_batch
from bursar.ledger import desk
from bursar.sources.csv.load import InvalidRowsError, LoadResult, load
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fixtures import Library

HEADER = "fine_id,primary_id,fine_fee_type,amount,created_at,balance,owner_library,reverses\n"
LOST = "K7,user1,LOSTITEM,42.00,2025-03-02,{balance},LAW,\n"
RETURNED = "K8,user1,CREDIT,-42.00,2025-04-02,{balance},LAW,K7\n"


class Source:
    """A library's system, which writes files of fines, and a bursar."""

    def __init__(self, library: Library, folder: Path) -> None:
        self.library, self.folder = library, folder
        self.office = FakeBursar(library)
        library.user()

    def load(self, *rows: str) -> LoadResult:
        path = self.folder / "fines.csv"
        path.write_text(HEADER + "".join(rows), encoding="utf-8")
        return load(self.library.ledger, fines=path, currency="USD", time_zone="Europe/Vienna")

    def fine(self, source_id: str) -> Row[Any]:
        with self.library.ledger.connect() as connection:
            return connection.execute(text("SELECT * FROM fines WHERE source_id = :id"), {"id": source_id}).one()

    def position(self, source_id: str) -> tuple[str, str, str]:
        fine = self.fine(source_id)
        return fine.status, f"{fine.balance:.2f}", f"{fine.outstanding:.2f}"

    def export(self, **export: Any) -> list[tuple[str, str | None]]:
        """Exports all open fines; returns amount and reversed transaction of each line."""
        batch = self.office.export(**export)
        with self.library.ledger.connect() as connection:
            lines = connection.execute(
                text("SELECT amount, reversed_transaction_id FROM batch_lines WHERE batch_id = :batch ORDER BY number"),
                {"batch": batch},
            )
            return [(f"{line.amount:.2f}", line.reversed_transaction_id) for line in lines]

    def entries(self) -> int:
        return int(self.library.one("SELECT count(*) FROM journal_entries"))


@pytest.fixture
def source(library: Library, tmp_path: Path) -> Source:
    return Source(library, tmp_path)


def row(template: str, balance: str) -> str:
    return template.format(balance=balance)


@pytest.fixture
def exported(source: Source) -> Source:
    """Returns a source whose lost item was exported to a bursar with payment files."""
    source.load(row(LOST, "42.00"))
    assert source.export() == [("42.00", None)]
    return source


@pytest.mark.parametrize("balance", ["0.00", "-12.50", "-42.00", ""])
def test_a_returned_item_is_reversed_at_the_bursar(exported: Source, balance: str) -> None:
    result = exported.load(row(LOST, "0.00"), row(RETURNED, balance))
    assert result == LoadResult(0, 0, 1, 0, 0, 1)
    assert exported.position("K8") == ("ACTIVE", "-42.00", "0.00")
    assert exported.export() == [("-42.00", "1")]
    assert exported.position("K7") == ("CLOSED", "0.00", "0.00")
    assert exported.position("K8") == ("CLOSED", "0.00", "0.00")
    assert exported.export() == []


def test_the_same_rows_change_nothing_before_and_after_the_export(exported: Source) -> None:
    rows = (row(LOST, "0.00"), row(RETURNED, "0.00"))
    exported.load(*rows)
    entries = exported.entries()
    assert exported.load(*rows) == LoadResult(0, 0, 0, 0, 1, 1)
    batch = exported.office.export(close=False)
    assert exported.load(*rows) == LoadResult(0, 0, 0, 0, 1, 1)
    assert exported.entries() == entries
    assert exported.position("K8") == ("ACTIVE", "-42.00", "0.00")
    close_fines(exported.library.ledger, batch)
    entries = exported.entries()
    assert exported.load(*rows) == LoadResult(0, 0, 0, 0, 0, 2)
    assert exported.entries() == entries


def test_a_credit_that_the_source_applies_later_counts_in_full(exported: Source) -> None:
    exported.load(row(RETURNED, "-42.00"))
    for balance in ("-20.00", "0.00"):
        assert exported.load(row(RETURNED, balance)) == LoadResult(0, 0, 0, 0, 1, 0)
    assert exported.export() == [("-42.00", "1")]


def test_a_credit_for_a_charge_that_was_paid_at_the_bursar_counts_in_full(exported: Source) -> None:
    exported.office.pay(Payment("1", "42"))
    exported.load(row(LOST, "0.00"), row(RETURNED, "0.00"))
    assert exported.position("K8") == ("ACTIVE", "-42.00", "0.00")
    assert exported.export() == [("-42.00", "1")]
    assert exported.position("K8") == ("CLOSED", "0.00", "-42.00")


def test_a_payment_between_two_loads_does_not_settle_the_credit(exported: Source) -> None:
    exported.load(row(RETURNED, "0.00"))
    exported.office.pay(Payment("1", "42"))
    assert exported.load(row(RETURNED, "0.00")) == LoadResult(0, 0, 0, 0, 1, 0)
    assert exported.position("K8") == ("ACTIVE", "-42.00", "0.00")


def test_a_credit_for_a_bursar_without_payment_files_counts_in_full(source: Source) -> None:
    source.load(row(LOST, "42.00"))
    source.export(import_active=False)
    source.load(row(LOST, "0.00"), row(RETURNED, "0.00"))
    assert source.position("K8") == ("ACTIVE", "-42.00", "0.00")
    assert source.export(import_active=False) == [("-42.00", "1")]


def test_a_credit_for_a_claimed_charge_counts_in_full(source: Source) -> None:
    source.load(row(LOST, "42.00"))
    batch = source.office.export(close=False)
    source.load(row(RETURNED, "0.00"))
    assert source.position("K8") == ("ACTIVE", "-42.00", "0.00")
    assert source.load(row(RETURNED, "0.00")) == LoadResult(0, 0, 0, 0, 1, 0)
    assert source.export() == []
    close_fines(source.library.ledger, batch)
    assert source.export() == [("-42.00", "1")]
    assert [source.position(fine) for fine in ("K7", "K8")] == [("CLOSED", "0.00", "0.00")] * 2


def test_after_a_release_the_balances_of_the_file_count_again(source: Source) -> None:
    source.load(row(LOST, "42.00"))
    batch = source.office.export(close=False)
    source.load(row(RETURNED, "0.00"))
    release_batch(source.library.ledger, batch, confirmed_not_received=True)
    assert source.load(row(LOST, "0.00"), row(RETURNED, "0.00")) == LoadResult(0, 0, 0, 2, 0, 0)
    assert [source.position(fine) for fine in ("K7", "K8")] == [("CLOSED", "0.00", "0.00")] * 2
    assert source.export() == []


@pytest.mark.parametrize("together", [True, False])
def test_a_credit_for_a_charge_that_was_never_exported_counts_by_its_balance(source: Source, *, together: bool) -> None:
    source.load(row(LOST, "0.00" if together else "42.00"), *([row(RETURNED, "0.00")] if together else []))
    source.load(row(LOST, "0.00"), row(RETURNED, "0.00"))
    assert [source.position(fine) for fine in ("K7", "K8")] == [("CLOSED", "0.00", "0.00")] * 2
    assert source.export() == []


def test_a_credit_for_a_charge_that_was_waived_meanwhile_is_rejected(exported: Source) -> None:
    with exported.library.ledger.begin() as connection:
        desk.waive(connection, exported.fine("K7").id, allow_activity_on_transferred_finesfees=True)
    with pytest.raises(InvalidRowsError, match='nothing is left of the charge "K7" to take back'):
        exported.load(row(RETURNED, "0.00"))
    assert exported.export() == [("-42.00", "1")]
    assert exported.export() == []


def test_two_credits_reverse_no_more_than_the_charge(exported: Source) -> None:
    def credits_(*amounts: str) -> list[str]:
        return [f"K{n},user1,CREDIT,-{amount},2025-04-02,0.00,LAW,K7\n" for n, amount in enumerate(amounts, 8)]

    with pytest.raises(InvalidRowsError, match=r"fines\.csv:3: amount -30\.00 takes back more than the 12\.00"):
        exported.load(*credits_("30.00", "30.00"))
    exported.load(*credits_("30.00", "12.00"))
    assert exported.position("K8") == ("ACTIVE", "-30.00", "0.00")
    assert exported.position("K9") == ("ACTIVE", "-12.00", "0.00")
    exported.export()
    assert exported.position("K7") == ("CLOSED", "0.00", "0.00")


def test_a_credit_that_counts_in_full_is_not_paid_out_before_the_bursar_was_paid(exported: Source) -> None:
    exported.load(row(RETURNED, "0.00"))
    with (
        exported.library.ledger.begin() as connection,
        pytest.raises(LedgerError, match="leave the credit to the next"),
    ):
        desk.pay(connection, exported.fine("K8").id)
