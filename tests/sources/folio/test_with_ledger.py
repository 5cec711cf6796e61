"""FOLIO, the ledger and the bursar together: what one of them does, the others learn once."""

from collections.abc import Callable

import pytest

from bursar.ledger import desk
from bursar.sources.outbox import WriteCounts
from tests.support.fake_bursar import Payment
from tests.support.folio_library import ADA
from tests.support.folio_town import FolioTown
from tests.support.folio_traps import Fault


def test_a_fine_is_read_exported_and_transferred_and_the_next_reading_changes_nothing(
    town_of_folio: FolioTown,
) -> None:
    town = town_of_folio
    lost = town.folio.library.charge(50.0)
    card = town.folio.library.charge(5, "Card", barcode=None, feeFineOwner="Law Circulation")
    assert town.read() == []
    assert (town.fine(lost).owner_library, town.fine(lost).fine_fee_type) == ("MAIN", "LOSTITEMREPLACEMENTFEE")
    assert (town.fine(card).owner_library, town.fine(card).fine_fee_type) == ("LAW", "CARDRENEWAL")
    assert sorted(town.export()) == [("5.00", None), ("50.00", None)]
    assert town.write() == WriteCounts(done=2)
    assert (town.owed(lost), town.owed(card)) == (0, 0)
    assert town.read() == []
    assert town.position(lost) == ("CLOSED", "0.00", "50.00")
    assert town.export() == []
    assert town.write() == WriteCounts()


def test_users_are_those_of_folio_and_renamed_with_the_complete_reading(town_of_folio: FolioTown) -> None:
    town = town_of_folio
    fine = town.folio.library.charge(5)
    town.read()
    town.folio.library.users.put(ADA | {"username": "ada2", "personal": {"lastName": "Lovelace"}})
    town.read()
    town.folio.library.users.put(ADA)
    users = "SELECT last_name || ' ' || value FROM users JOIN identifiers ON user_id = users.id WHERE type = 'userName'"
    assert town.library.one(users) == "Lovelace ada2"
    assert town.position(fine) == ("ACTIVE", "5.00", "0.00")


def test_unknown_owners_and_types_are_rejected_and_loaded_once_the_map_has_them(
    make_town: Callable[..., FolioTown],
) -> None:
    town = make_town()
    town.folio.library.charge(5, "Reminder")
    town.folio.library.charge(7, feeFineOwner="Map Room")
    good = town.folio.library.charge(9)
    assert set(town.read()) == {"unmapped"}
    assert town.position(good) == ("ACTIVE", "9.00", "0.00")
    maps = {
        "owners": town.source.owners | {"Map Room": "MAIN"},
        "fine_fee_types": town.source.fine_fee_types | {"Reminder": "OVERDUEFINE"},
    }
    town.source = town.source.model_copy(update=maps)
    assert town.read() == []
    assert town.library.one("SELECT count(*) FROM fines") == 3


def test_an_item_that_is_returned_after_the_transfer_is_reversed_at_the_bursar(town_of_folio: FolioTown) -> None:
    """Field case 1: FOLIO refunds the transfer, which opens the fine again, and cancels it."""
    town = town_of_folio
    lost = town.folio.library.charge(50.0)
    town.read()
    town.export()
    town.write()
    town.read()
    town.folio.library.return_item(lost)
    assert town.read() == []
    assert town.export() == [("-50.00", "1")]
    assert town.position(lost) == ("CLOSED", "0.00", "0.00")
    town.write()
    assert town.read() == []
    assert town.export() == []
    assert town.folio.library.total(lost, "Transferred") == 50


def test_of_an_item_that_is_returned_after_a_part_was_waived_the_rest_is_reversed(town_of_folio: FolioTown) -> None:
    town = town_of_folio
    lost = town.folio.library.charge(50.0)
    town.folio.library.act(lost, "waive", 20)
    town.read()
    assert town.export() == [("30.00", None)]
    town.write()
    town.folio.library.return_item(lost)
    assert town.read() == []
    assert town.export() == [("-30.00", "1")]


def test_an_item_that_is_returned_before_the_export_leaves_nothing_to_export(town_of_folio: FolioTown) -> None:
    town = town_of_folio
    lost = town.folio.library.charge(50.0)
    town.read()
    town.folio.library.return_item(lost)
    assert town.read() == []
    assert town.entries(lost) == [("CANCELLED", "-50.00", "0.00")]
    assert town.export() == []


def test_an_item_that_is_returned_after_the_export_and_before_the_transfer_is_reversed(
    town_of_folio: FolioTown,
) -> None:
    town = town_of_folio
    lost = town.folio.library.charge(50.0)
    town.read()
    town.export()
    town.folio.library.return_item(lost)
    assert town.write() == WriteCounts(refused=1)
    town.read()
    assert town.export() == [("-50.00", "1")]
    assert town.folio.library.total(lost, "Transferred") == 0


def test_a_fine_that_is_paid_at_the_desk_after_the_export_is_not_charged_twice(town_of_folio: FolioTown) -> None:
    """Field case 3: the library took money for a part of a fine that the bursar has already."""
    town = town_of_folio
    fine = town.folio.library.charge(50.0)
    town.read()
    town.export()
    town.folio.library.act(fine, "pay", 20)
    assert town.write() == WriteCounts(done=1)
    assert town.folio.library.total(fine, "Transferred") == 30
    assert town.read() == []
    assert town.export() == [("-20.00", "1")]
    assert town.position(fine) == ("CLOSED", "0.00", "30.00")


def test_a_refund_opens_a_fine_again_and_it_is_exported(town_of_folio: FolioTown) -> None:
    """Field case 2: balance 5, 0 and 5 again."""
    town = town_of_folio
    fine = town.folio.library.charge(5.0, "Card", barcode=None)
    town.read()
    town.folio.library.act(fine, "pay", 5.0)
    assert town.read() == []
    town.folio.library.act(fine, "refund", 5.0)
    assert town.read() == []
    assert town.entries(fine) == [("PAID", "-5.00", "0.00"), ("REOPENED", "5.00", "0.00")]
    assert town.export() == [("5.00", None)]


def test_a_transfer_that_the_library_takes_back_is_for_a_person(town_of_folio: FolioTown) -> None:
    town = town_of_folio
    fine = town.folio.library.charge(5.0)
    town.read()
    town.export()
    town.write()
    town.read()
    town.folio.library.act(fine, "refund", 5.0)
    assert town.read() == ["came_back"]
    assert town.export() == []


def test_a_merged_user_takes_the_fine_along(town_of_folio: FolioTown) -> None:
    town = town_of_folio
    fine = town.folio.library.charge(5.0)
    town.read()
    eve = town.folio.library.add_user(username="eve", externalSystemId="00000008")
    town.folio.library.change(fine, userId=eve["id"])
    assert town.read() == []
    assert [entry for entry, *_ in town.entries(fine)] == ["MOVED"]
    assert town.export() == [("5.00", None)]
    assert town.write() == WriteCounts(done=1)


def test_a_credit_that_was_given_in_bursar_takes_its_charge_back_once(town_of_folio: FolioTown) -> None:
    """Were the charge cancelled in FOLIO, the next reading would cancel it here, and the user get the credit, too."""
    town = town_of_folio
    fine = town.folio.library.charge(50.0)
    town.read()
    with town.library.ledger.begin() as connection:
        desk.reverse_charge(connection, town.fine(fine).id, by="anna")
    assert town.write() == WriteCounts(done=1)
    assert town.read() == []
    assert town.export() == [("50.00", None), ("-50.00", "1")]
    assert town.write() == WriteCounts(done=1), "that it was handed over needs no person: it is closed"
    assert town.read() == []
    assert town.position(fine) == ("CLOSED", "0.00", "0.00")


@pytest.mark.parametrize(("amount", "rounded"), [(50.5, "51.00"), (50.4, "50.00")])
def test_a_fraction_that_the_currency_does_not_have_is_no_payment_at_the_library(
    make_town: Callable[..., FolioTown], amount: float, rounded: str
) -> None:
    town = make_town(currency="JPY")
    fine = town.folio.library.charge(amount)
    town.read()
    assert town.export() == [(rounded, None)]
    assert town.write() == WriteCounts(done=1)
    assert town.owed(fine) == 0
    assert town.read() == []
    assert town.position(fine) == ("CLOSED", "0.00", rounded)


def test_a_growing_fine_is_adjusted_and_exported_as_it_is_then(town_of_folio: FolioTown) -> None:
    """Field case 5. FOLIO charges an overdue fine once; a script of the library may raise it."""
    town = town_of_folio
    fine = town.folio.library.charge(1.0, "Overdue fine")
    town.read()
    town.folio.library.change(fine, amount=1.25, remaining=1.25)
    assert town.read() == []
    assert town.entries(fine) == [("ADJUSTED", "0.25", "0.00")]
    assert town.export() == [("1.25", None)]


def test_a_claim_waits_and_what_is_waived_or_an_error_is_no_payment(town_of_folio: FolioTown) -> None:
    """Field case 11."""
    town = town_of_folio
    claimed, waived, wrong = (town.folio.library.charge(amount) for amount in (50.0, 5.0, 7.0))
    town.read()
    town.folio.library.change(claimed, paymentStatus={"name": "Suspended claim returned"})
    town.folio.library.act(waived, "waive", 5.0)
    town.folio.library.cancel(wrong)
    assert town.read() == []
    assert town.position(claimed) == ("DISPUTED", "50.00", "0.00")
    assert town.entries(waived) == [("WAIVED", "-5.00", "0.00")]
    assert town.entries(wrong) == [("CANCELLED", "-7.00", "0.00")]
    assert town.export() == []
    town.folio.library.change(claimed, paymentStatus={"name": "Outstanding"})
    assert town.read() == []
    assert town.export() == [("50.00", None)]


def test_where_payments_close_fines_a_payment_at_the_bursar_does(make_town: Callable[..., FolioTown]) -> None:
    town = make_town(closes_fines_when="paid")
    fine = town.folio.library.charge(50.0)
    town.read()
    town.export()
    assert town.write() == WriteCounts(done=1)
    assert town.owed(fine) == 50
    town.bursar.pay(Payment("1", "50"))
    assert town.write() == WriteCounts(done=1)
    assert town.owed(fine) == 0
    assert town.read() == []
    assert town.position(fine) == ("TRANSFERRED", "0.00", "0.00")


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.SLOW])
def test_a_fault_in_the_transfer_is_found_by_the_next_run(town_of_folio: FolioTown, fault: Fault) -> None:
    town = town_of_folio
    fine = town.folio.library.charge(50.0)
    town.read()
    town.export()
    town.folio.traps.plan(fault)
    town.write()
    counts = town.write()
    is_half = fault.name.endswith("BETWEEN")
    assert counts.unknown == is_half
    assert town.owed(fine) == (50 if is_half else 0)
    assert town.folio.library.total(fine, "Transferred") == 50
    town.read()
    assert town.position(fine) == ("CLOSED", "0.00", "50.00")
    assert town.export() == []


def test_thousands_of_fines_are_read_exported_and_not_read_again(town_of_folio: FolioTown) -> None:
    town = town_of_folio
    town.folio.library.fill(accounts=2500, users=600)
    assert town.read() == []
    assert town.library.one("SELECT count(*) FROM fines") == 2500
    assert town.library.one("SELECT count(*) FROM users") == 600
    entries = town.library.one("SELECT count(*) FROM journal_entries")
    assert town.read() == []
    assert town.library.one("SELECT count(*) FROM journal_entries") == entries
