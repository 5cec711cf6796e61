"""Credits whose charges move, shrink, or are named later."""

import pytest

from tests.support.library_source import CHARGE, CREDIT, LibrarySource

MOVED = {"primary_id": "user2"}
UNLINKED = CREDIT | {"reverses": ""}


def get_charge(source: LibrarySource) -> str | None:
    """Returns the source's id of the charge that the credit C1 reverses in the ledger."""
    charges = source.system.rows(
        "SELECT source_id FROM fines WHERE id = (SELECT reverses FROM fines WHERE source_id = 'C1')"
    )
    return charges[0] if charges else None


# Merged accounts


@pytest.mark.parametrize(
    "loads", [[[MOVED, CREDIT | MOVED]], [[MOVED], [CREDIT | MOVED]]], ids=["same load", "earlier load"]
)
def test_a_credit_is_accepted_if_its_charge_has_moved(source: LibrarySource, loads: list[list[dict[str, str]]]) -> None:
    source.load({})
    assert [source.codes(*rows) for rows in loads] == [[]] * len(loads)
    assert [source.fine(name).user_id for name in ("F1", "C1")] == [2, 2]


def test_a_credit_whose_charge_has_not_moved_yet_is_rejected_with_what_to_do(source: LibrarySource) -> None:
    source.load({})
    (message,) = source.load(CREDIT | MOVED).messages
    assert str(message) == (
        'reverses "F1", but that is of another user; correct it; if accounts were merged, load the row of the charge '
        "with its new user too"
    )


def test_a_credit_is_accepted_while_the_move_of_its_charge_is_deferred(source: LibrarySource) -> None:
    source.load({})
    batch = source.select()
    assert source.codes(MOVED) == ["in_unfinished_batch"]
    assert "contradictory" not in source.codes(CREDIT | MOVED)
    source.close(batch)
    source.load(CREDIT | MOVED | {"balance": "0.00"})
    assert [source.fine(name).user_id for name in ("F1", "C1")] == [2, 2]


# Credits beyond the charge


@pytest.mark.parametrize("end", [{"amount": "4.00"}, {"status": "cancelled"}, {"amount": "0.00"}])
def test_a_charge_below_its_open_credit_asks_a_person(source: LibrarySource, end: dict[str, str]) -> None:
    source.load({}, CREDIT | {"amount": "-6.00"})
    (message,) = source.load(end).messages
    assert (message.code, message.source_id) == ("credits_beyond_amount", "F1")
    assert "credits of 6.00 for this fine are open" in message.reason


@pytest.mark.parametrize(("settled_as", "codes"), [("waived", ["credits_beyond_amount"]), ("paid", [])])
def test_a_charge_that_is_waived_beside_an_open_credit_asks_a_person(
    source: LibrarySource, settled_as: str, codes: list[str]
) -> None:
    """What was paid is given back with the credit, and what was waived was never paid."""
    source.load({}, CREDIT | {"amount": "-6.00"})
    assert [message.code for message in source.load({"balance": "4.00", "settled_as": settled_as}).messages] == codes


@pytest.mark.parametrize(
    "credit", [{"amount": "-6.00", "balance": "0.00"}, {"amount": "-6.00", "status": "cancelled"}, {"amount": "-4.00"}]
)
def test_a_charge_that_shrinks_with_its_credit_asks_nobody(source: LibrarySource, credit: dict[str, str]) -> None:
    source.load({}, CREDIT | {"amount": "-6.00"})
    assert source.codes({"amount": "4.00"}, CREDIT | credit) == []


def test_a_paid_charge_with_an_open_credit_asks_nobody(source: LibrarySource) -> None:
    source.load({}, CREDIT | {"amount": "-6.00"})
    assert source.codes({"balance": "0.00"}) == []


# Charges that are named later


def test_a_credit_that_names_its_charge_later_is_linked(source: LibrarySource) -> None:
    source.load({}, UNLINKED)
    assert get_charge(source) is None
    assert source.codes({}, CREDIT) == []
    assert get_charge(source) == "F1"
    assert source.codes({}, CREDIT) == []


def test_a_credit_that_exceeds_the_charge_that_it_names_later_is_rejected(source: LibrarySource) -> None:
    source.load({}, CREDIT | {"amount": "-6.00"}, UNLINKED | {"fine_id": "C2", "amount": "-5.00"})
    assert source.codes(CREDIT | {"fine_id": "C2", "amount": "-5.00"}) == ["too_much_reversed"]


def test_an_exported_credit_is_not_linked_later(source: LibrarySource) -> None:
    source.load({}, UNLINKED)
    source.export()
    (message,) = source.load({}, CREDIT).messages
    assert (message.code, message.field, message.source_id) == ("fixed_value", "reverses", "C1")
    assert get_charge(source) is None
    assert source.codes({}, CREDIT) == [], "it is reported once"


def test_a_credit_that_an_export_holds_is_linked_if_that_is_released(source: LibrarySource) -> None:
    source.load({}, UNLINKED)
    batch = source.select()
    assert source.codes({}, CREDIT) == ["fixed_value"]
    source.release(batch)
    assert source.codes({}, CREDIT) == []
    assert get_charge(source) == "F1"


def test_a_credit_that_names_another_charge_keeps_the_first(source: LibrarySource) -> None:
    source.load({}, CHARGE | {"fine_id": "F2"}, CREDIT)
    assert source.codes(CREDIT | {"reverses": "F2"}) == ["fixed_value"]
    assert get_charge(source) == "F1"


# Charges that move without their credits


@pytest.mark.parametrize("is_exported", [True, False])
def test_an_open_credit_moves_with_its_charge(source: LibrarySource, *, is_exported: bool) -> None:
    source.load({})
    if is_exported:
        source.export()
    source.load(CREDIT | {"amount": "-4.00"})
    result = source.load(MOVED)
    assert result.messages == ()
    assert [(entry.entry_type, entry.fines) for entry in result.entries] == [("MOVED", 2)]
    assert [source.fine(name).user_id for name in ("F1", "C1")] == [2, 2]
    assert source.codes(MOVED, CREDIT | {"amount": "-4.00"} | MOVED) == []


def test_a_credit_that_an_export_holds_does_not_move_and_asks_a_person(source: LibrarySource) -> None:
    source.load({})
    source.export()
    source.load(CREDIT | {"amount": "-4.00"})
    source.select()
    (message,) = source.load(MOVED).messages
    assert (message.code, message.source_id) == ("credit_not_moved", "F1")
    assert "credits of 4.00" in message.reason
    assert [source.fine(name).user_id for name in ("F1", "C1")] == [2, 1]


def test_a_credit_that_the_bursar_has_stays_as_it_was(source: LibrarySource) -> None:
    source.load({}, CREDIT | {"amount": "-4.00"})
    source.export()
    assert source.codes(MOVED) == []
    assert source.fine("C1").user_id == 1
