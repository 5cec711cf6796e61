"""Credits for exported charges: the library's system has applied them, and the bursar receives them in full."""

import pytest

from bursar.errors import LedgerError
from bursar.ledger import desk
from tests.support.fake_bursar import Payment
from tests.support.library_source import CREDIT, LibrarySource

CLOSED = ("CLOSED", "0.00", "0.00")
FULL = ("ACTIVE", "-10.00", "0.00")
PAID_OFF = {"balance": "0.00"}
APPLIED = CREDIT | {"balance": "0.00"}


@pytest.mark.parametrize(
    ("balance", "closes"), [("0.00", True), ("0.00", False), ("-2.50", False), ("-10.00", True), ("", False)]
)
def test_a_returned_item_is_reversed_at_the_bursar(exported: LibrarySource, balance: str, *, closes: bool) -> None:
    exported.rules["closes_exported_fines"] = closes
    left = {"balance": balance.removeprefix("-") or "10.00"}
    result = exported.load(left, CREDIT | {"balance": balance})
    assert (result.counts.fines_added, result.messages) == (1, ())
    assert exported.position("F1") == ("CLOSED", "0.00", "10.00")
    assert exported.position("C1") == FULL
    assert exported.export() == [("-10.00", "1")]
    assert [exported.position(name) for name in ("F1", "C1")] == [CLOSED] * 2
    assert exported.export() == []


def test_the_same_rows_change_nothing_before_and_after_the_export(exported: LibrarySource) -> None:
    exported.load(PAID_OFF, APPLIED)
    entries = exported.count_entries()
    assert exported.load(PAID_OFF, APPLIED).counts.fines_unchanged == 2
    batch = exported.select()
    exported.load(PAID_OFF, APPLIED)
    assert exported.count_entries() == entries
    assert exported.position("C1") == FULL
    exported.close(batch)
    entries = exported.count_entries()
    result = exported.load(PAID_OFF, APPLIED)
    assert (result.counts.fines_unchanged, result.messages) == (2, ())
    assert exported.count_entries() == entries


def test_a_credit_that_the_source_applies_later_counts_in_full(exported: LibrarySource) -> None:
    exported.load({}, CREDIT | {"balance": "-10.00"})
    for left in ("4.00", "0.00"):
        assert exported.codes({"balance": left}, CREDIT | {"balance": f"-{left}"}) == []
    assert exported.position("F1")[2] == "10.00"
    assert exported.export() == [("-10.00", "1")]
    assert exported.export() == []


def test_a_credit_for_a_charge_that_was_paid_at_the_bursar_counts_in_full(exported: LibrarySource) -> None:
    exported.bursar.pay(Payment("1", "10"))
    exported.load(PAID_OFF, APPLIED)
    assert exported.position("C1") == FULL
    assert exported.export() == [("-10.00", "1")]
    assert exported.position("C1") == ("CLOSED", "0.00", "-10.00")


def test_a_payment_between_two_loads_does_not_settle_the_credit(exported: LibrarySource) -> None:
    exported.load({}, APPLIED)
    exported.bursar.pay(Payment("1", "10"))
    exported.load({}, APPLIED)
    assert exported.position("C1") == FULL


def test_a_credit_for_a_bursar_without_payment_files_counts_in_full(source: LibrarySource) -> None:
    source.load({})
    source.export(import_active=False)
    source.load(PAID_OFF, APPLIED)
    assert source.position("C1") == FULL
    assert source.export(import_active=False) == [("-10.00", "1")]


@pytest.mark.parametrize("in_file", [True, False])
def test_a_credit_for_a_claimed_charge_counts_in_full(source: LibrarySource, *, in_file: bool) -> None:
    source.load({})
    batch = source.select()
    assert source.codes(PAID_OFF, APPLIED) == ["in_unfinished_batch"]
    assert source.position("C1") == FULL
    rows = [PAID_OFF, APPLIED] if in_file else []
    source.load(*rows)
    assert source.export() == []
    source.close(batch)
    assert source.load(*rows).messages == ()
    assert source.export() == [("-10.00", "1")]
    source.load(*rows)
    assert [source.position(name) for name in ("F1", "C1")] == [CLOSED] * 2
    assert source.export() == []


@pytest.mark.parametrize("in_file", [True, False])
def test_after_a_release_the_balances_of_the_file_count_again(source: LibrarySource, *, in_file: bool) -> None:
    source.load({})
    batch = source.select()
    source.load(PAID_OFF, APPLIED)
    source.load()
    source.release(batch)
    assert source.load(*([PAID_OFF, APPLIED] if in_file else [])).messages == ()
    assert [source.position(name) for name in ("F1", "C1")] == [CLOSED] * 2
    assert source.entries("F1") == [("REVERSED", "-10.00", "0.00")]
    assert source.export() == []


def test_credits_for_a_claimed_charge_exceed_it_by_their_balances_alone(source: LibrarySource) -> None:
    source.load({"balance": "6.00"})
    batch = source.select()
    first, second = CREDIT | {"amount": "-5.00", "balance": "0.00"}, CREDIT | {"fine_id": "C2", "amount": "-5.00"}
    source.load({"balance": "6.00"}, first, second | {"balance": "-2.00"})
    assert [source.position(name)[1] for name in ("C1", "C2")] == ["-5.00", "-3.00"]
    source.close(batch)
    source.export()
    assert source.position("F1") == CLOSED


@pytest.mark.parametrize("together", [True, False])
def test_a_credit_for_a_charge_that_was_never_exported_counts_by_its_balance(
    source: LibrarySource, *, together: bool
) -> None:
    source.load(*([PAID_OFF, APPLIED] if together else [{}]))
    source.load(PAID_OFF, APPLIED)
    assert [source.position(name) for name in ("F1", "C1")] == [CLOSED] * 2
    assert source.export() == []


def test_a_credit_for_a_charge_that_was_waived_meanwhile_is_rejected(exported: LibrarySource) -> None:
    with exported.library.ledger.begin() as connection:
        desk.waive(connection, exported.fine().id, allow_activity_on_transferred_finesfees=True)
    (message,) = exported.load({}, APPLIED).messages
    assert 'nothing is left of the charge "F1" to take back' in message.reason
    assert exported.export() == [("-10.00", "1")]
    assert exported.export() == []


def test_two_credits_reverse_no_more_than_the_charge(exported: LibrarySource) -> None:
    credits_ = [APPLIED | {"amount": "-7.00"}, APPLIED | {"fine_id": "C2", "amount": "-4.00"}]
    (message,) = exported.load({}, *credits_).messages
    assert (message.line, message.reason) == (
        4, 'amount -4.00 takes back more than the 3.00 that is left of the charge "F1"'
    )  # fmt: skip
    exported.load({}, credits_[0], credits_[1] | {"amount": "-3.00"})
    assert [exported.position(name)[1] for name in ("C1", "C2")] == ["-7.00", "-3.00"]
    exported.export()
    assert exported.position("F1") == CLOSED


def test_a_credit_that_counts_in_full_is_not_paid_out_before_the_bursar_was_paid(exported: LibrarySource) -> None:
    exported.load({}, APPLIED)
    with (
        exported.library.ledger.begin() as connection,
        pytest.raises(LedgerError, match="leave the credit to the next"),
    ):
        desk.pay(connection, exported.fine("C1").id)


@pytest.mark.parametrize("end", [{"status": "cancelled"}, {"amount": "0.00"}])
def test_a_credit_that_is_cancelled_before_its_export_is_not_sent(exported: LibrarySource, end: dict[str, str]) -> None:
    exported.load(PAID_OFF, APPLIED)
    assert exported.codes({"balance": "10.00"}, APPLIED | end) == ["came_back"]
    assert exported.entries("C1") == [("CANCELLED", "10.00", "0.00")]
    assert exported.export() == []
    assert exported.position("F1") == ("CLOSED", "0.00", "10.00")
    second = APPLIED | {"fine_id": "C2"}
    assert exported.codes(second) == [], "the charge can be reversed again"
    assert exported.export() == [("-10.00", "1")]


def test_a_credit_that_is_cancelled_after_its_export_asks_a_person(exported: LibrarySource) -> None:
    exported.load(PAID_OFF, APPLIED)
    exported.export()
    entries = exported.count_entries()
    assert exported.codes(APPLIED | {"status": "cancelled"}) == ["cancelled_late"]
    assert exported.count_entries() == entries


def test_a_new_credit_that_is_cancelled_counts_for_nothing(exported: LibrarySource) -> None:
    exported.load({}, APPLIED | {"status": "cancelled"})
    assert exported.position("C1") == CLOSED
    assert exported.export() == []


# Credits that change before the bursar has received them


PART = CREDIT | {"amount": "-3.00", "balance": "-3.00"}


def test_a_charge_that_is_cancelled_with_its_credit_is_owed_no_more(exported: LibrarySource) -> None:
    exported.load({}, CREDIT)
    assert exported.codes({"status": "cancelled"}, CREDIT | {"status": "cancelled"}) == []
    assert exported.entries("F1")[1:] == [("CANCELLED", "0.00", "-10.00")]
    assert exported.export() == [("-10.00", "1")]


def test_a_charge_that_is_paid_as_its_credit_is_cancelled_is_owed_no_more(exported: LibrarySource) -> None:
    exported.load({}, CREDIT)
    assert exported.codes(PAID_OFF, CREDIT | {"status": "cancelled"}) == []
    assert exported.entries("F1")[1:] == [("PAID", "0.00", "-10.00")]
    assert exported.export() == [("-10.00", "1")]


@pytest.mark.parametrize("end", [{"status": "cancelled"}, {"balance": "0.00"}])
@pytest.mark.parametrize("in_file", [True, False])
def test_a_credit_that_is_cancelled_after_its_charge_was_settled_asks_a_person(
    exported: LibrarySource, end: dict[str, str], *, in_file: bool
) -> None:
    exported.load({}, APPLIED)
    exported.load(end, APPLIED)
    rows = [APPLIED | {"status": "cancelled"}, *([end] if in_file else [])]
    (message,) = exported.load(*rows).messages
    assert (message.code, message.source_id) == ("still_owed", "C1")
    assert "the bursar asks for 10.00, the library system for 0.00" in message.reason
    assert exported.codes(*rows) == []


def test_a_cancelled_credit_of_a_charge_that_is_open_asks_nobody(exported: LibrarySource) -> None:
    exported.load({}, CREDIT)
    assert exported.codes({}, CREDIT | {"status": "cancelled"}) == []


def test_a_credit_that_is_open_again_asks_a_person(exported: LibrarySource) -> None:
    exported.load({}, CREDIT)
    exported.load({}, CREDIT | {"status": "cancelled"})
    (message,) = exported.load(APPLIED | {"status": "open"}).messages
    assert (message.code, message.source_id) == ("not_reopened", "C1")


@pytest.mark.parametrize(
    ("amount", "held", "linked"),
    [("-8.00", True, True), ("-1.00", True, False), ("-8.00", False, False), ("-1.00", False, True)],
)
def test_a_credit_on_its_way_to_the_bursar_follows_its_amount(
    source: LibrarySource, amount: str, *, held: bool, linked: bool
) -> None:
    source.load({})
    batch = source.select()
    if not held:
        source.close(batch)
    source.load(PART if linked else PART | {"reverses": ""})
    source.load(PART | {"amount": amount, "balance": "0.00"})
    if held:
        source.close(batch)
    assert source.codes() == []
    assert source.position("C1") == ("ACTIVE", amount, "0.00")
    assert source.export() == [(amount, "1")]


def test_a_credit_on_its_way_that_grows_beyond_its_charge_is_rejected(exported: LibrarySource) -> None:
    exported.load({}, PART)
    assert exported.codes(PART | {"amount": "-11.00"}) == ["too_much_reversed"]


def test_a_credit_that_grows_beyond_what_the_bursar_received_asks_a_person(source: LibrarySource) -> None:
    source.load({"balance": "4.00"})
    source.export()
    source.load({"balance": "1.00"}, PART)
    assert source.codes(PART | {"amount": "-8.00"}) == ["other_amount"]
    assert source.position("C1")[1] == "-3.00"


def test_a_smaller_credit_of_a_settled_charge_asks_a_person(exported: LibrarySource) -> None:
    exported.load(PAID_OFF, APPLIED)
    assert exported.codes(APPLIED | {"amount": "-3.00"}) == ["still_owed"]
    assert exported.export() == [("-3.00", "1")]


def test_two_credits_that_grow_take_back_no_more_than_the_bursar_received(source: LibrarySource) -> None:
    source.load({"balance": "4.00"})
    source.export()
    second = CREDIT | {"fine_id": "C2"}
    source.load(CREDIT | {"amount": "-1.00"}, second | {"amount": "-1.00"})
    assert source.codes(CREDIT | {"amount": "-3.00"}, second | {"amount": "-3.00"}) == ["other_amount"] * 2


def test_a_credit_takes_the_place_of_one_that_is_cancelled(source: LibrarySource) -> None:
    source.load({"balance": "4.00"})
    source.export()
    source.load(CREDIT | {"amount": "-4.00"})
    source.load(CREDIT | {"amount": "-4.00", "status": "cancelled"}, APPLIED | {"fine_id": "C2", "amount": "-4.00"})
    assert source.export() == [("-4.00", "1")]


# Credits that were settled before they named their charge


@pytest.mark.parametrize("together", [True, False])
def test_a_settled_credit_that_names_its_charge_later_is_passed_on(exported: LibrarySource, *, together: bool) -> None:
    exported.load(APPLIED | {"reverses": ""})
    if not together:
        exported.load(APPLIED)
    assert exported.codes(PAID_OFF, APPLIED) == []
    assert exported.entries("F1")[1:] == [("PAID", "0.00", "-10.00")]
    assert exported.export() == [("-10.00", "1")]


def test_a_settled_credit_that_names_a_closed_charge_later_asks_a_person(closing: LibrarySource) -> None:
    closing.load(PAID_OFF, APPLIED | {"reverses": ""})
    (message,) = closing.load(PAID_OFF, APPLIED).messages
    assert (message.code, message.source_id) == ("settled_credit", "C1")
    assert closing.codes(PAID_OFF, APPLIED) == []
