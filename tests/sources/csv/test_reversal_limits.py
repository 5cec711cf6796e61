"""Credits of a file take back no more than their charges."""

import threading
from decimal import Decimal

import pytest

from bursar.ledger import desk
from bursar.sources.load_types import InvalidRowsError
from tests.support.library_system import LibrarySystem, wait_until_blocked

D = Decimal


def credit(name: str, amount: str, charge: str = "F1") -> dict[str, str]:
    return {"fine_id": name, "fine_fee_type": "CREDIT", "amount": f"-{amount}", "reverses": charge}


def too_large(line: int, amount: str, left: str) -> str:
    return (
        f'fines.csv:{line}: amount -{amount} takes back more than the {left} that is left of the charge "F1"; lower '
        "it, or leave the line out"
    )


def nothing_left(line: int, amount: str) -> str:
    return (
        f'fines.csv:{line}: amount -{amount}: nothing is left of the charge "F1" to take back, since it has been '
        "waived, refunded or reversed; lower it, or leave the line out"
    )


@pytest.mark.parametrize("known", [True, False])
def test_the_credits_of_one_file_take_back_no_more_than_the_charge(system: LibrarySystem, known: bool) -> None:
    charge = [{"amount": "50"}]
    if known:
        system.load(fines=charge)
    assert system.refusals(fines=[credit("C1", "30"), *charge, credit("C2", "20.01"), credit("C3", "20")]) == [
        too_large(4, "20.01", "20.00")
    ]
    assert system.load(fines=[*charge, credit("C1", "30"), credit("C2", "20")]).counts.fines_added == (
        2 if known else 3
    )


def test_a_known_credit_grows_no_further_than_its_charge(system: LibrarySystem) -> None:
    system.load(fines=[{"amount": "50"}, credit("C1", "20"), credit("C2", "20")])
    assert system.refusals(fines=[credit("C1", "30.01")]) == [too_large(2, "30.01", "10.00")]
    assert system.load(fines=[credit("C1", "30")]).counts.fines_changed == 1
    assert system.refusals(fines=[credit("C2", "21")]) == [nothing_left(2, "21")]


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("amounts", "refused"),
    [
        (["60", "50"], [too_large(3, "60", "50.00")]),
        (["40", "30", "10"], [too_large(4, "30", "10.00")]),
        (["40", "30", "10", "0.01"], [too_large(4, "30", "10.00"), nothing_left(6, "0.01")]),
        (["30", "20.01", "60", "20"], [too_large(4, "20.01", "20.00"), too_large(5, "60", "20.00")]),
    ],
)
def test_a_refused_credit_takes_nothing_back(
    system: LibrarySystem, known: bool, amounts: list[str], refused: list[str]
) -> None:
    charge = [{"amount": "50"}]
    if known:
        system.load(fines=charge)
    given = [credit(f"C{number}", amount) for number, amount in enumerate(amounts)]
    assert system.refusals(fines=charge + given) == refused


def test_credits_of_several_files_take_back_no_more_than_the_charge(system: LibrarySystem) -> None:
    system.load(fines=[{"amount": "50"}, credit("C1", "30")])
    assert system.refusals(fines=[credit("C1", "30"), credit("C2", "30")]) == [too_large(3, "30", "20.00")]
    system.load(fines=[credit("C1", "30"), credit("C2", "20")])
    assert system.counts(fines=[credit("C1", "30"), credit("C2", "20")]) == {"fines_unchanged": 2}
    assert system.refusals(fines=[credit("C3", "0.01")]) == [nothing_left(2, "0.01")]


@pytest.mark.parametrize("balance", ["", "0"])
def test_what_was_waived_or_reversed_at_the_desk_is_not_taken_back_again(system: LibrarySystem, balance: str) -> None:
    system.load(fines=[{"amount": "50"}])
    charge = system.fine("F1").id
    with system.ledger.begin() as connection:
        desk.waive(connection, charge, D(10))
        desk.reverse_charge(connection, charge, D(25))
    applied = {"balance": balance}
    assert system.refusals(fines=[credit("C1", "15.01") | applied]) == [too_large(2, "15.01", "15.00")]
    assert system.counts(fines=[credit("C1", "15") | applied]) == {"fines_added": 1}


def test_a_paid_and_refunded_charge_is_not_taken_back(system: LibrarySystem) -> None:
    system.load(fines=[{"amount": "3"}])
    charge = system.fine("F1").id
    with system.ledger.begin() as connection:
        desk.pay(connection, charge)
        desk.refund(connection, charge)
    assert system.refusals(fines=[credit("C1", "3")]) == [nothing_left(2, "3")]


def test_a_credit_that_reverses_no_charge_has_no_limit(system: LibrarySystem) -> None:
    gift = credit("C1", "500", "")
    assert system.counts(fines=[{"amount": "3"}, gift]) == {"fines_added": 2}


def test_rounded_credits_fit_their_rounded_charge(system: LibrarySystem) -> None:
    assert system.load(fines=[{"amount": "3.335"}, credit("C1", "3.335")]).counts.fines_rounded == 2
    assert system.fine("C1").amount == D("-3.34")


def test_a_load_waits_for_the_desk_and_sees_its_credit(system: LibrarySystem) -> None:
    system.load(fines=[{"amount": "50"}])
    errors: list[InvalidRowsError] = []

    def load() -> None:
        with pytest.raises(InvalidRowsError) as error:
            system.load(strict=True, fines=[credit("C1", "50")])
        errors.append(error.value)

    loading = threading.Thread(target=load)
    with system.ledger.begin() as connection:
        desk.reverse_charge(connection, system.fine("F1").id)
        loading.start()
        wait_until_blocked(connection)
    loading.join(10)
    assert [line.removeprefix(f"{system.folder}/") for error in errors for line in error.lines] == [
        nothing_left(2, "50")
    ]
