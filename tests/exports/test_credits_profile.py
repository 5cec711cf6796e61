"""Credits and reversals that another profile sends, because the bursar of the charges takes none in its file."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from lxml import etree
from sqlalchemy import text

from bursar.exports.build import build_file
from bursar.exports.close import close_fines
from bursar.exports.recover import release_batch
from bursar.exports.selection import preview, select_fines
from bursar.exports.upload import upload_file
from bursar.layouts.alma_xml.namespace import NAMESPACE
from bursar.ledger import desk
from bursar.profiles import Profile
from tests.support.export_server import ExportServer
from tests.support.fake_bursar import FILES, FakeBursar, Outcome, Payment
from tests.support.fixtures import NOW, make_profile, make_settings, record_delivery

D = Decimal
STRICT: dict[str, Any] = {
    "minimum_amount_for_user": 500,
    "time_before_export_days": 3650,
    "fine_fee_types": ["LOSTITEM"],
    "libraries": [],
    "user_groups": ["STAFF"],
}


def make_students(*, import_active: bool = True) -> Profile:
    return make_profile(import_active=import_active, credits_profile="CREDITS")


def make_credits(*, import_active: bool = False, **export: Any) -> Profile:
    return make_profile(code="CREDITS", import_active=import_active, **export).with_credits_of(("STUDENTS",))


def send(office: FakeBursar, profile: Profile, *, close: bool = True) -> int:
    """Exports the fines that are due; returns the id of the batch."""
    settings, now = make_settings(), datetime.now(UTC)
    batch = select_fines(office.library.ledger, profile, settings, run_id=str(next(FILES)), as_of=now)
    if batch.fines:
        record_delivery(office.library.ledger, batch.id)
        if close:
            close_fines(office.library.ledger, batch.id)
    return batch.id


def list_lines(office: FakeBursar, batch: int) -> list[tuple[Any, ...]]:
    """Returns fine, amount, reversed transaction and charge profile of each line of a batch."""
    columns = "fine_id, amount, reversed_transaction_id, charge_profile"
    with office.library.ledger.connect() as connection:
        rows = connection.execute(
            text(f"SELECT {columns} FROM batch_lines WHERE batch_id = :batch ORDER BY number"),
            {"batch": batch},
        )
        return [tuple(row) for row in rows]


def get_reasons(office: FakeBursar, profile: Profile) -> dict[int, str | None]:
    _, decisions = preview(office.library.ledger, profile, as_of=datetime.now(UTC), limit=100)
    return {decision.fine_id: decision.reason for decision in decisions}


def send_charge(office: FakeBursar, amount: str = "10.00", *, import_active: bool = True, **fine: Any) -> int:
    charge = office.library.fine(amount=amount, **fine)
    send(office, make_students(import_active=import_active))
    return charge


def settle(office: FakeBursar, fine: int, amount: str | None = None) -> None:
    with office.library.ledger.begin() as connection:
        desk.pay(connection, fine, D(amount) if amount else None, allow_activity_on_transferred_finesfees=True)


def reverse(office: FakeBursar, charge: int, amount: str | None = None) -> int:
    with office.library.ledger.begin() as connection:
        return desk.reverse_charge(connection, charge, D(amount) if amount else None)


@pytest.mark.parametrize("import_active", [True, False])
def test_a_reversal_goes_out_with_the_other_profile_once(office: FakeBursar, *, import_active: bool) -> None:
    charge = send_charge(office)
    transaction = office.get_transaction(charge)
    settle(office, charge, "4.00")
    students, credits_ = make_students(), make_credits(import_active=import_active)
    assert get_reasons(office, students) == {charge: "other_profile"}
    assert get_reasons(office, credits_) == {charge: None}
    assert get_reasons(office, make_profile(code="OTHERS")) == {}
    assert list_lines(office, send(office, students)) == []
    assert list_lines(office, send(office, credits_)) == [(charge, D(-4), transaction, "STUDENTS")]
    for profile in (students, credits_):
        assert list_lines(office, send(office, profile)) == []
    assert office.library.position(charge) == ("CLOSED", D(0), D(6))
    assert office.pay(Payment(transaction, "6")) == [Outcome("PAID", D(6), D(0))]


@pytest.mark.parametrize("import_active", [True, False])
def test_a_credit_cancels_its_charge_as_if_its_own_profile_had_sent_it(
    office: FakeBursar, *, import_active: bool
) -> None:
    lost = send_charge(office)
    transaction = office.get_transaction(lost)
    returned = reverse(office, lost)
    credits_ = make_credits(import_active=import_active)
    assert get_reasons(office, make_students()) == {returned: "other_profile"}
    assert get_reasons(office, make_profile(code="OTHERS")) == {returned: "other_bursar"}
    assert list_lines(office, send(office, make_students())) == []
    assert list_lines(office, send(office, credits_)) == [(returned, D(-10), transaction, "STUDENTS")]
    for fine in (lost, returned):
        assert office.library.position(fine) == ("CLOSED", D(0), D(0))
    assert office.pay(Payment(transaction, "10")) == [Outcome("ALREADY_SETTLED", None, None)]


def test_a_credit_for_a_bursar_who_does_not_report_is_closed(office: FakeBursar) -> None:
    lost = send_charge(office, import_active=False)
    returned = reverse(office, lost)
    assert get_reasons(office, make_students(import_active=False)) == {returned: "other_profile"}
    batch = send(office, make_credits(import_active=True))
    assert list_lines(office, batch) == [(returned, D(-10), office.get_transaction(lost), "STUDENTS")]
    for fine in (lost, returned):
        assert office.library.position(fine) == ("CLOSED", D(0), D(0))


@pytest.mark.parametrize("reporting", ["STUDENTS", "CREDITS"])
def test_the_rest_of_a_credit_is_reported_by_either_bursar(office: FakeBursar, reporting: str) -> None:
    lost = send_charge(office)
    office.pay(Payment(office.get_transaction(lost), "4"))
    returned = reverse(office, lost)
    send(office, make_credits())
    assert office.library.position(lost) == ("CLOSED", D(0), D(0))
    assert office.library.position(returned) == ("CLOSED", D(0), D(-4))
    assert office.library.one("SELECT profile FROM exported_fines WHERE fine_id = :fine", fine=returned) == "STUDENTS"
    credit = office.get_transaction(returned)
    assert office.pay(Payment(credit, "-4"), profile="OTHERS") == [Outcome("UNMATCHED", None, None)]
    assert office.pay(Payment(credit, "-4"), profile=reporting) == [Outcome("PAID", D(-4), D(0))]
    assert office.library.position(returned) == ("TRANSFERRED", D(0), D(0))
    assert office.pay(Payment(None, "-4", internal_id=str(returned)), profile="STUDENTS") == [
        Outcome("ALREADY_SETTLED", None, None)
    ]


@pytest.mark.parametrize("reporting", ["STUDENTS", "CREDITS"])
def test_a_payment_record_for_a_reversal_has_no_effect(office: FakeBursar, reporting: str) -> None:
    charge = send_charge(office)
    settle(office, charge)
    batch = send(office, make_credits())
    reversal = office.library.one("SELECT transaction_id FROM batch_lines WHERE batch_id = :id", id=batch)
    assert office.pay(Payment(reversal, "-10"), profile=reporting) == [Outcome("NO_PAYMENT", None, None)]


def test_what_a_bursar_must_stop_collecting_is_sent_whatever_the_rules_for_charges_say(office: FakeBursar) -> None:
    paid_here, lost = (office.library.fine(amount="10.00") for _ in range(2))
    send(office, make_students())
    settle(office, paid_here)
    returned = reverse(office, lost)
    assert get_reasons(office, make_credits(**STRICT)) == {paid_here: None, returned: None}
    canadian, of_others = make_credits(currencies=["CAD"]), make_credits(user_identifier_type="x")
    for profile, reason in ((canadian, "other_currency"), (of_others, "no_identifier")):
        assert get_reasons(office, profile) == {paid_here: reason, returned: reason}


def test_a_profile_without_credits_leaves_plain_credits_to_the_rules_of_others(office: FakeBursar) -> None:
    user = office.library.user()
    charge, gift = office.library.fine(user, "10.00"), office.library.fine(user, "-3.00")
    assert get_reasons(office, make_students()) == {charge: None, gift: "other_profile"}
    assert get_reasons(office, make_credits(fine_fee_types=["CREDIT"])) == {charge: "other_type", gift: None}
    assert list_lines(office, send(office, make_students())) == [(charge, D(10), None, None)]
    batch = send(office, make_credits(fine_fee_types=["CREDIT"]))
    assert list_lines(office, batch) == [(gift, D(-3), None, None)]
    assert office.library.position(gift) == ("CLOSED", D(0), D(0))


def test_a_credit_waits_until_its_charge_is_exported(office: FakeBursar) -> None:
    """Sent before it, the credit could not name the charge, and would not be offset against it."""
    charge = office.library.fine(amount="10.00")
    credit = reverse(office, charge, "4.00")
    credits_ = make_credits(fine_fee_types=["CREDIT"])
    assert get_reasons(office, credits_) == {charge: "other_type", credit: "charge_not_exported"}
    assert get_reasons(office, make_students()) == {charge: None, credit: "other_profile"}
    send(office, make_students())
    assert list_lines(office, send(office, credits_)) == [(credit, D(-4), office.get_transaction(charge), "STUDENTS")]
    assert office.library.position(charge) == ("CLOSED", D(0), D(6))
    assert office.library.position(credit) == ("CLOSED", D(0), D(0))


def test_a_credit_waits_for_the_batch_of_its_charge(office: FakeBursar) -> None:
    lost = office.library.fine(amount="10.00")
    batch = send(office, make_students(), close=False)
    returned = reverse(office, lost)
    for profile in (make_students(), make_credits()):
        assert get_reasons(office, profile)[returned] == "in_unfinished_batch"
    close_fines(office.library.ledger, batch)
    assert get_reasons(office, make_credits()) == {returned: None}


def test_what_a_released_batch_held_is_sent_by_the_next_one(office: FakeBursar) -> None:
    charge, lost = office.library.fine(amount="10.00"), office.library.fine(amount="5.00")
    send(office, make_students())
    settle(office, charge)
    returned = reverse(office, lost)
    batch = select_fines(office.library.ledger, make_credits(), make_settings(), run_id="lost", as_of=datetime.now(UTC))
    assert get_reasons(office, make_credits()) == dict.fromkeys((charge, returned), "in_unfinished_batch")
    release_batch(office.library.ledger, batch.id)
    assert [line[:2] for line in list_lines(office, send(office, make_credits()))] == [(charge, -10), (returned, -5)]
    assert office.library.position(lost) == ("CLOSED", D(0), D(0))


def test_simultaneous_exports_of_all_profiles_send_each_once(office: FakeBursar) -> None:
    charges = [office.library.fine(amount="10.00") for _ in range(8)]
    send(office, make_students())
    for charge in charges[:4]:
        settle(office, charge)
    for charge in charges[4:]:
        reverse(office, charge)
    # A run of the profile may still have the settings of before, in which it sent its own credits.
    profiles = [make_students(), make_credits(), make_profile(), make_credits(), make_profile(code="OTHERS")]
    start = Barrier(len(profiles))

    def run(place: int) -> None:
        start.wait()
        select_fines(
            office.library.ledger, profiles[place], make_settings(), run_id=f"{place}", as_of=datetime.now(UTC)
        )

    with ThreadPoolExecutor(len(profiles)) as pool:
        list(pool.map(run, range(len(profiles))))
    assert office.library.one("SELECT count(*) FROM batch_lines WHERE amount < 0") == len(charges)


def test_a_whole_export_to_a_server_names_the_transactions_of_the_other_profile(
    office: FakeBursar, bursar: ExportServer, tmp_path: Path
) -> None:
    ledger, settings = office.library.ledger, make_settings(export_number_start=100001)
    dollars, canadian = office.library.fine(amount="10.00"), office.library.fine(amount="7.00", currency="CAD")
    forms = {"compact": True, "empty_elements": True, "correct_call_number": True}
    students = make_profile(credits_profile="CREDITS", currencies=["USD"], xml=forms)
    for profile, number in ((students, 100001), (make_credits(currencies=["USD"], xml=forms), 100002)):
        batch = select_fines(ledger, profile, settings, run_id=f"{number}", as_of=NOW)
        assert batch.id == number
        build_file(ledger, batch.id, tmp_path)
        upload_file(ledger, batch.id, bursar.open(), tmp_path, profile.export.upload)
        close_fines(ledger, batch.id)
        if profile is students:
            returned = reverse(office, dollars)
        assert get_reasons(office, students).get(canadian) == "other_currency"
    files = {name.split("-")[1]: etree.fromstring(content) for name, content in bursar.files().items()}
    assert set(files) == {"100001", "100002"}

    def find(number: str, name: str) -> list[str | None]:
        return [element.text for element in files[number].iter(f"{{{NAMESPACE}}}{name}")]

    assert find("100001", "sum") == ["10"]
    assert find("100002", "reversedTransactionId") == find("100001", "bursarTransactionId")
    assert [office.library.position(fine)[2] for fine in (dollars, returned)] == [0, 0]
