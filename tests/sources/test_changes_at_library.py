"""What a row may change of a fine at the library, which was not exported.

Each change is made while the fine is at the library, while an unfinished export holds it and that export is released.
"""

from decimal import Decimal

import pytest

from bursar.ledger import desk
from tests.support.library_source import CREDIT, LibrarySource

Entries = list[tuple[str, str, str]]

CHANGES: list[tuple[dict[str, str], Entries, str]] = [
    ({"amount": "12.00"}, [("ADJUSTED", "2.00", "0.00")], "12.00"),
    ({"amount": "12.00", "balance": "12.00"}, [("ADJUSTED", "2.00", "0.00")], "12.00"),
    ({"amount": "7.00", "balance": "7.00"}, [("ADJUSTED", "-3.00", "0.00")], "7.00"),
    ({"amount": "12.00", "balance": "5.00"}, [("ADJUSTED", "2.00", "0.00"), ("PAID", "-7.00", "0.00")], "5.00"),
    ({"balance": "4.00"}, [("PAID", "-6.00", "0.00")], "4.00"),
    ({"balance": "0.00"}, [("PAID", "-10.00", "0.00")], "0.00"),
    ({"balance": "4.00", "settled_as": "waived"}, [("WAIVED", "-6.00", "0.00")], "4.00"),
    ({"balance": "4.00", "settled_as": "cancelled"}, [("CANCELLED", "-6.00", "0.00")], "4.00"),
    ({"status": "cancelled"}, [("CANCELLED", "-10.00", "0.00")], "0.00"),
    ({"status": "cancelled", "balance": "0.00", "settled_as": "paid"}, [("CANCELLED", "-10.00", "0.00")], "0.00"),
    ({"amount": "0.00"}, [("CANCELLED", "-10.00", "0.00")], "0.00"),
    ({"primary_id": "user2"}, [("MOVED", "0.00", "0.00")], "10.00"),
    ({"primary_id": "user2", "balance": "4.00"}, [("MOVED", "0.00", "0.00"), ("PAID", "-6.00", "0.00")], "4.00"),
]


def check(source: LibrarySource, change: dict[str, str], entries: Entries, left: str) -> None:
    """Checks what a change has made of F1, and that the same row changes nothing any more."""
    assert source.entries() == entries
    fine = source.fine()
    assert (f"{fine.balance:.2f}", fine.outstanding, fine.pending_reversal) == (left, 0, 0)
    assert fine.status == ("ACTIVE" if Decimal(left) else "CLOSED")
    assert fine.user_id == (2 if "primary_id" in change else 1)
    assert source.load(change).counts.fines_unchanged == 1
    assert source.entries() == entries
    assert source.export() == ([(left, None)] if Decimal(left) else [])


@pytest.mark.parametrize(("change", "entries", "left"), CHANGES)
def test_a_fine_at_the_library_changes_as_the_row_says(
    source: LibrarySource, change: dict[str, str], entries: Entries, left: str
) -> None:
    source.load({})
    result = source.load(change)
    assert (result.counts.fines_changed, result.messages) == (1, ())
    check(source, change, entries, left)


@pytest.mark.parametrize(
    ("change", "entries", "left", "again"),
    [*((*change, False) for change in CHANGES), *((*change, True) for change in CHANGES[3::3])],
)
def test_a_deferred_row_is_applied_once_its_export_was_released(
    source: LibrarySource, change: dict[str, str], entries: Entries, left: str, *, again: bool
) -> None:
    source.load({})
    batch = source.select()
    result = source.load(change, {"fine_id": "F2"})
    assert (result.counts.fines_deferred, result.counts.fines_added) == (1, 1)
    assert [message.code for message in result.messages] == ["in_unfinished_batch"]
    assert source.entries() == []
    source.release(batch)
    source.load({"fine_id": "F2", "balance": "0.00"}, *([change] if again else []))
    check(source, change, entries, left)


def test_a_smaller_amount_leaves_at_least_nothing(source: LibrarySource) -> None:
    source.load({"balance": "4.00"})
    assert source.codes({"amount": "3.00", "balance": "0.00"}) == ["settled_beyond_amount"]
    assert source.entries() == [("PAID", "-6.00", "0.00"), ("ADJUSTED", "-4.00", "0.00")]
    assert source.position() == ("CLOSED", "0.00", "0.00")


def test_a_payment_that_is_voided_opens_the_fine_again(source: LibrarySource) -> None:
    source.load({})
    for balance in ("0.00", "10.00"):
        assert source.codes({"balance": balance}) == []
    assert source.entries() == [("PAID", "-10.00", "0.00"), ("REOPENED", "10.00", "0.00")]
    assert source.position() == ("ACTIVE", "10.00", "0.00")
    assert source.export() == [("10.00", None)]


@pytest.mark.parametrize("end", [{"status": "cancelled"}, {"amount": "0.00"}])
def test_a_fine_that_was_cancelled_opens_again(source: LibrarySource, end: dict[str, str]) -> None:
    source.load({})
    source.load(end)
    assert source.codes({"balance": "10.00", "status": "open"}) == []
    assert source.entries() == [("CANCELLED", "-10.00", "0.00"), ("REOPENED", "10.00", "0.00")]
    source.load({"balance": "4.00"})
    assert source.entries()[2:] == [("PAID", "-6.00", "0.00")]


@pytest.mark.parametrize("end", [{"status": "cancelled"}, {"amount": "0.00"}])
def test_a_cancelled_fine_that_is_open_has_its_amount_if_no_balance_is_given(
    source: LibrarySource, end: dict[str, str]
) -> None:
    source.load({})
    source.load(end)
    assert source.codes({"status": "open"}) == []
    assert source.entries() == [("CANCELLED", "-10.00", "0.00"), ("REOPENED", "10.00", "0.00")]
    assert source.load({"status": "open"}).counts.fines_unchanged == 1


def test_an_amount_of_0_that_comes_back_without_a_status_opens_the_fine_again(source: LibrarySource) -> None:
    source.load({})
    source.load({"amount": "0.00"})
    source.load({"balance": "10.00"})
    source.load({"balance": "4.00"})
    assert [entry[:2] for entry in source.entries()] == [
        ("CANCELLED", "-10.00"),
        ("REOPENED", "10.00"),
        ("PAID", "-6.00"),
    ]


def test_what_the_desk_settled_is_not_reopened(source: LibrarySource) -> None:
    source.load({"balance": "8.00"})
    with source.library.ledger.begin() as connection:
        desk.pay(connection, source.fine().id, Decimal(3))
    assert source.codes({"balance": "10.00"}) == []
    assert source.position() == ("ACTIVE", "7.00", "0.00")
    source.load({"balance": "9.00"})
    with source.library.ledger.begin() as connection:
        desk.pay(connection, source.fine().id)
    source.load({"balance": "8.00"})
    assert source.codes({"balance": "10.00"}) == ["not_reopened"]


def test_a_lower_balance_after_a_payment_at_the_desk_asks_a_person(source: LibrarySource) -> None:
    source.load({})
    with source.library.ledger.begin() as connection:
        desk.pay(connection, source.fine().id, Decimal(3))
    assert source.codes({"balance": "7.00"}) == ["also_settled_here"]
    assert source.position() == ("ACTIVE", "7.00", "0.00")
    assert source.codes({"balance": "7.00"}) == []
    assert source.codes({"balance": "5.00"}) == []
    assert source.position() == ("ACTIVE", "5.00", "0.00")


@pytest.mark.parametrize("known", [True, False])
def test_a_returned_item_at_the_library_is_journalled_as_reversed(source: LibrarySource, *, known: bool) -> None:
    if known:
        source.load({})
    assert source.codes({"balance": "0.00"}, CREDIT | {"balance": "0.00"}) == []
    assert source.entries("F1") == [("REVERSED", "-10.00", "0.00")]
    assert source.entries("C1") == [("REVERSED", "10.00", "0.00")]
    assert source.export() == []


def test_a_credit_explains_a_part_and_a_payment_the_rest(source: LibrarySource) -> None:
    source.load({})
    source.load({"balance": "1.00"}, CREDIT | {"amount": "-6.00", "balance": "0.00"})
    assert source.entries("F1") == [("REVERSED", "-6.00", "0.00"), ("PAID", "-3.00", "0.00")]
    assert source.export() == [("1.00", None)]


def test_a_credit_that_is_not_applied_yet_is_open_with_its_balance(source: LibrarySource) -> None:
    source.load({})
    source.load({}, CREDIT | {"balance": "-10.00"})
    assert source.position("C1") == ("ACTIVE", "-10.00", "0.00")
    source.load({"balance": "6.00"}, CREDIT | {"balance": "-6.00"})
    assert [source.position(name)[1] for name in ("F1", "C1")] == ["6.00", "-6.00"]
    assert source.entries("F1") == [("REVERSED", "-4.00", "0.00")]


@pytest.mark.parametrize("status", ["disputed", "suspended"])
def test_a_disputed_fine_waits_until_the_source_says_otherwise(source: LibrarySource, status: str) -> None:
    source.load({})
    source.load({"status": status})
    assert source.position() == ("DISPUTED", "10.00", "0.00")
    assert source.export() == []
    source.load({})
    assert source.position() == ("DISPUTED", "10.00", "0.00"), "a blank status says nothing"
    source.load({"status": "open"})
    assert [entry[0] for entry in source.entries()] == ["DISPUTED", "DISPUTE_SETTLED"]
    assert source.export() == [("10.00", None)]


def test_a_new_fine_has_the_status_of_its_row(source: LibrarySource) -> None:
    source.load(
        {"status": "suspended"}, {"fine_id": "F2", "status": "cancelled"}, {"fine_id": "F3", "status": "accruing"}
    )
    assert [source.position(name)[:2] for name in ("F1", "F2", "F3")] == [
        ("DISPUTED", "10.00"),
        ("CLOSED", "0.00"),
        ("ACTIVE", "10.00"),
    ]
    assert source.entries("F2") == [("CANCELLED", "-10.00", "0.00")]
    assert source.export() == []


def test_a_dispute_of_the_desk_stays(source: LibrarySource) -> None:
    source.load({"status": "accruing"})
    with source.library.ledger.begin() as connection:
        desk.dispute(connection, source.fine().id, "not mine")
    source.load({"status": "open", "balance": "4.00"})
    assert source.position() == ("DISPUTED", "4.00", "0.00")


def test_an_accruing_fine_is_exported_once_it_has_stopped_growing(source: LibrarySource) -> None:
    source.load({"status": "accruing"})
    assert source.export() == []
    source.load({"status": "accruing", "amount": "12.00"})
    assert source.export() == []
    source.load({"status": "open", "amount": "12.00"})
    assert source.export() == [("12.00", None)]


@pytest.mark.parametrize(
    ("settled", "totals"),
    [
        (["waived", "", "paid"], (10, 0)),
        (["paid", "", "waived"], (0, 10)),
        (["waived", "", "waived"], (0, 10)),
        (["paid", "", "paid", "", "waived"], (0, 10)),
        (["waived", "", "paid", "", "paid"], (10, 0)),
        (["cancelled", "", "paid", ""], (0, 0)),
    ],
)
def test_what_was_settled_before_is_reopened_and_later_payments_count(
    source: LibrarySource, settled: list[str], totals: tuple[int, int]
) -> None:
    source.load({})
    for settled_as in settled:
        source.load({"balance": "0.00", "settled_as": settled_as} if settled_as else {"balance": "10.00"})
    assert source.system.rows("SELECT paid, waived FROM charge_totals") == [totals]
    assert source.system.rows("SELECT returnable, reversible FROM charge_totals") == [(totals[0], 10 - totals[1])]
