"""Payments that name a user and no fine, and payments that each file repeats: only what is certain has an effect."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from bursar.errors import BursarError, InputFileError, TransientError
from bursar.exports.close import close_fines
from bursar.exports.selection import select_fines
from bursar.imports.apply import apply_payments
from bursar.imports.apply_again import apply_again, list_repeated_arrivals
from bursar.layouts import read
from bursar.ledger import desk
from bursar.profiles import Profile
from bursar.reporting.report_sentences import EXPECTED_OUTCOMES
from bursar.users.deletion import delete_user
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fixtures import LONG_AGO, Library, make_profile, make_settings, record_delivery
from tests.support.payment_inbox import PaymentInbox

REFERENCE = """\
for: payments
kind: delimited
encoding: utf-8
delimiter: ","
fields:
  transaction_id: {column: Id}
  identifier: {column: User}
  reference: {column: Barcode}
  sum: {column: Paid, as: 0.00}
  currency: {column: Currency}
"""
ALLOCATE = """\
for: payments
kind: delimited
encoding: utf-8
delimiter: ","
allocate: oldest_first
fields:
  identifier: {column: User}
  sum: {column: Paid, as: 0.00}
  currency: {is: USD}
"""
SNAPSHOT = """\
for: payments
kind: delimited
encoding: utf-8
delimiter: ","
payment_is: [transaction_id, paid_on, sum]
fields:
  transaction_id: {column: Id}
  sum: {column: Paid, as: 0.00}
  currency: {is: USD}
  paid_on: {column: Day, as: "%Y-%m-%d"}
"""

Row = tuple[int, str, Decimal | None, str]


class Office:
    """A bursar whose files are in a layout."""

    def __init__(self, inbox: PaymentInbox, office: FakeBursar, layouts: Path) -> None:
        self.inbox, self.office, self.library, self.layouts = inbox, office, office.library, layouts
        self.files = 0

    def load(self, layout: str, *rows: str, heading: str) -> int:
        """Loads a file of its own name and bytes; returns its id."""
        (self.layouts / "office.yaml").write_text(layout, encoding="utf-8")
        self.files += 1
        content = "\n".join([heading, *rows]) + "\n" * self.files
        self.inbox.put(f"{self.files}.csv", content.encode())
        return self.inbox.load_file(f"{self.files}.csv", f"run {self.files}").id

    def pay(self, layout: str, *rows: str, heading: str) -> list[Row]:
        """Imports a file; returns line, outcome, applied amount and reason of each record."""
        file = self.load(layout, *rows, heading=heading)
        apply_payments(self.library.ledger, file, run_id="run")
        return self.list_records(file)

    def list_records(self, file: int) -> list[Row]:
        with self.library.ledger.connect() as connection:
            rows = connection.execute(
                text(
                    "SELECT line, outcome, applied, coalesce(reason, '') AS reason FROM import_records"
                    " WHERE file_id = :file ORDER BY line, number"
                ),
                {"file": file},
            )
            return [(row.line, row.outcome, row.applied, row.reason) for row in rows]

    def item(self) -> tuple[int, str]:
        item = self.library.item()
        return item, self.library.one("SELECT barcode FROM items WHERE id = :item", item=item)

    def outstanding(self, fine: int) -> Decimal:
        outstanding: Decimal = self.library.position(fine)[2]
        return outstanding


@pytest.fixture
def bursar(inbox: PaymentInbox, office: FakeBursar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    """Returns a bursar with layouts, and the inbox of its files."""
    folder = tmp_path / "include" / "layouts"
    folder.mkdir(parents=True)
    monkeypatch.setattr(read, "INCLUDE", folder.parent)
    inbox.change(layout="office", file_patterns=("*",))
    return Office(inbox, office, folder)


def pay_items(bursar: Office, *rows: str) -> list[Row]:
    return bursar.pay(REFERENCE, *rows, heading="Id,User,Barcode,Paid,Currency")


def pay_users(bursar: Office, *rows: str) -> list[Row]:
    return bursar.pay(ALLOCATE, *rows, heading="User,Paid")


def pay_snapshot(bursar: Office, *rows: str) -> list[Row]:
    return bursar.pay(SNAPSHOT, *rows, heading="Id,Paid,Day")


D = Decimal
BELOW_ZERO = (
    "the sum is below 0, and the fines from which it is taken back are not known: ask the bursar for records with the "
    "ids of these fines"
)


SHARED = (
    "outstanding charges of several users were exported with this identifier: ask the bursar for records with the ids "
    "of these fines"
)


def test_a_payment_of_a_user_and_an_item_pays_the_one_fine_that_is_outstanding(bursar: Office) -> None:
    ada, bob = bursar.library.user("A1"), bursar.library.user("B2")
    (item, barcode), (other, _) = bursar.item(), bursar.item()
    fine = bursar.library.fine(ada, "10.00", item=item)
    others = [bursar.library.fine(ada, "10.00", item=other), bursar.library.fine(bob, "10.00", item=item)]
    bursar.office.export()
    assert pay_items(bursar, f",A1,{barcode},4.00,USD") == [(2, "PARTLY_PAID", D(4), "")]
    assert bursar.outstanding(fine) == 6
    assert [bursar.outstanding(one) for one in others] == [10, 10]


def test_a_payment_that_fits_several_fines_has_no_effect_and_names_them(bursar: Office) -> None:
    ada = bursar.library.user("A1")
    item, barcode = bursar.item()
    fines = [bursar.library.fine(ada, "10.00", item=item) for _ in range(2)]
    bursar.office.export()
    transactions = [bursar.office.get_transaction(fine) for fine in fines]
    ((_, outcome, applied, reason),) = pay_items(bursar, f",A1,{barcode},10.00,USD")
    assert (outcome, applied) == ("AMBIGUOUS", None)
    assert reason.startswith("2 outstanding fines of this user and this item could be meant: the transactions ")
    assert f" {', '.join(transactions)}. Ask the bursar which one" in reason
    assert [bursar.outstanding(fine) for fine in fines] == [10, 10]


@pytest.mark.parametrize(
    "row",
    [
        ",A1,{barcode},10.00,EUR",
        ",A1,{barcode},-10.00,USD",
        ",A1,0,10.00,USD",
        ",B2,{barcode},10.00,USD",
        ",A1,,10.00,USD",
    ],
)
def test_a_payment_that_fits_no_fine_has_no_effect(bursar: Office, row: str) -> None:
    item, barcode = bursar.item()
    fine = bursar.library.fine(bursar.library.user("A1"), "10.00", item=item)
    bursar.office.export()
    ((_, outcome, _, reason),) = pay_items(bursar, row.format(barcode=barcode))
    assert (outcome, reason) == ("UNMATCHED", "there is no id, and no outstanding fine of this user and this item")
    assert bursar.outstanding(fine) == 10


def test_values_that_a_spreadsheet_has_changed_pay_no_fine(bursar: Office) -> None:
    """Zeros in front of an identifier are lost, the last digits of a barcode too, and a day is written otherwise."""
    item, barcode = bursar.item()
    fine = bursar.library.fine(bursar.library.user("00000001"), "10.00", item=item)
    other = bursar.library.fine(bursar.library.user("1"), "10.00")
    bursar.office.export()
    transaction = bursar.office.get_transaction(fine)
    rows = pay_items(
        bursar,
        f",1,{barcode},10.00,USD",
        f",00000001,{float(barcode):.0E},10.00,USD",
        f",00000001,{barcode.lstrip('0')},10.00,USD",
        f'{transaction},,,"10,00",USD',
        f'="{transaction}",,,10.00,USD',
    )
    assert [(row[1], row[2]) for row in rows] == [("UNMATCHED", None)] * 3 + [("INVALID", None), ("UNMATCHED", None)]
    with pytest.raises(InputFileError, match="'3/1/2026', and not a day such as"):
        pay_snapshot(bursar, f"{transaction},10.00,3/1/2026")
    assert [bursar.outstanding(one) for one in (fine, other)] == [10, 10]
    assert [row[1] for row in pay_items(bursar, f",00000001,{barcode},10.00,USD")] == ["PAID"]


def test_an_id_that_is_not_known_is_never_replaced_by_user_and_item(bursar: Office) -> None:
    item, barcode = bursar.item()
    fine = bursar.library.fine(bursar.library.user("A1"), "10.00", item=item)
    bursar.office.export()
    assert [row[1] for row in pay_items(bursar, f"TUITION-7,A1,{barcode},10.00,USD")] == ["UNMATCHED"]
    transaction = bursar.office.get_transaction(fine)
    assert [row[1] for row in pay_items(bursar, f"{transaction},,,10.00,USD")] == ["PAID"]


def test_fines_that_were_paid_or_that_another_profile_exported_are_not_found(bursar: Office) -> None:
    item, barcode = bursar.item()
    ada = bursar.library.user("A1")
    bursar.library.fine(ada, "10.00", item=item)
    bursar.office.export(profile="STAFF")
    assert [row[1] for row in pay_items(bursar, f",A1,{barcode},10.00,USD")] == ["UNMATCHED"]
    bursar.library.fine(ada, "5.00", item=item)
    bursar.office.export()
    assert [row[1] for row in pay_items(bursar, f",A1,{barcode},5.00,USD")] == ["PAID"]
    assert [row[1] for row in pay_items(bursar, f",A1,{barcode},5.00,USD")] == ["UNMATCHED"]


def test_payments_of_users_wait_for_a_delivered_export_that_is_not_closed(bursar: Office) -> None:
    item, barcode = bursar.item()
    bursar.library.fine(bursar.library.user("A1"), "10.00", item=item)
    batch = bursar.office.export(close=False)
    file = bursar.load(REFERENCE, f",A1,{barcode},10.00,USD", heading="Id,User,Barcode,Paid,Currency")
    with pytest.raises(TransientError, match=f"batch {batch} of STUDENTS"):
        apply_payments(bursar.library.ledger, file, run_id="run")
    close_fines(bursar.library.ledger, batch)
    apply_payments(bursar.library.ledger, file, run_id="run")
    assert [row[1] for row in bursar.list_records(file)] == ["PAID"]


def test_a_sum_of_a_user_pays_the_oldest_fines_first(bursar: Office) -> None:
    ada, bob = bursar.library.user("A1"), bursar.library.user("B2")
    new = bursar.library.fine(ada, "10.00", created=LONG_AGO.replace(day=20))
    old = bursar.library.fine(ada, "5.00", created=LONG_AGO.replace(day=2))
    credit = bursar.library.fine(ada, "-3.00", kind="CREDIT", created=LONG_AGO.replace(day=1))
    other = bursar.library.fine(bob, "7.00")
    bursar.office.export()
    assert pay_users(bursar, "A1,6.50", "B2,7.00", "C3,1.00", "A1,-1.00", "A1,0.00") == [
        (2, "PAID", D(5), ""),
        (2, "PARTLY_PAID", D("1.5"), ""),
        (3, "PAID", D(7), ""),
        (4, "UNMATCHED", None, "the user has no outstanding charge in this currency"),
        (
            5,
            "UNMATCHED",
            None,
            BELOW_ZERO,
        ),
        (6, "NO_PAYMENT", None, "the sum is 0"),
    ]
    assert [bursar.outstanding(fine) for fine in (old, new, credit, other)] == [0, D("8.5"), -3, 0]
    with bursar.library.ledger.connect() as connection:
        parts = connection.execute(
            text("SELECT number, sum, sum_of_file FROM import_records WHERE sum_of_file IS NOT NULL ORDER BY number")
        ).all()
    assert [(row.number, Decimal(row.sum), row.sum_of_file) for row in parts] == [
        (1, D(5), "6.50"),
        (2, D("1.5"), "6.50"),
        (3, D(7), "7.00"),
    ]


def test_a_sum_of_an_identifier_that_two_users_had_pays_the_fine_of_neither(
    bursar: Office, owned_ledger: Engine
) -> None:
    """The sum is that of the fine of the second user; the fine of the first one is older."""
    fines = []
    for amount in ("10.00", "7.00"):
        fines.append(bursar.library.fine(bursar.library.user("A1"), amount))
        bursar.office.export()
        with owned_ledger.begin() as connection:
            connection.exec_driver_sql("DELETE FROM identifiers WHERE value = 'A1'")
    assert pay_users(bursar, "A1,7.00", "A1,0.00") == [
        (2, "AMBIGUOUS", None, SHARED),
        (3, "NO_PAYMENT", None, "the sum is 0"),
    ]
    assert [bursar.outstanding(fine) for fine in fines] == [10, 7]

    transaction = bursar.office.get_transaction(fines[0])
    assert [row[1] for row in pay_items(bursar, f"{transaction},,,10.00,USD")] == ["PAID"]
    assert [row[1] for row in pay_users(bursar, "A1,7.00")] == ["PAID"]
    assert [bursar.outstanding(fine) for fine in fines] == [0, 0]


def test_sums_of_one_user_are_divided_in_the_order_of_the_file_and_the_rest_is_overpaid(bursar: Office) -> None:
    ada = bursar.library.user("A1")
    fines = [bursar.library.fine(ada, "5.00", created=LONG_AGO.replace(day=day)) for day in (1, 2)]
    bursar.office.export()
    assert [row[:3] for row in pay_users(bursar, "A1,3.00", "A1,4.00", "A1,5.00", "A1,1.00")] == [
        (2, "PARTLY_PAID", D(3)),
        (3, "PAID", D(2)),
        (3, "PARTLY_PAID", D(2)),
        (4, "OVERPAID", D(3)),
        (5, "ALREADY_SETTLED", None),
    ]
    assert [bursar.outstanding(fine) for fine in fines] == [0, 0]
    assert bursar.library.one("SELECT sum(credit_amount) FROM import_records") == 2


def test_what_a_desk_settled_is_not_paid_again_by_a_sum(bursar: Office) -> None:
    ada = bursar.library.user("A1")
    old, new = (bursar.library.fine(ada, "5.00", created=LONG_AGO.replace(day=day)) for day in (1, 2))
    bursar.office.export()
    with bursar.library.ledger.begin() as connection:
        desk.pay(connection, old, Decimal("5.00"), allow_activity_on_transferred_finesfees=True)
    assert [row[:3] for row in pay_users(bursar, "A1,4.00")] == [(2, "PARTLY_PAID", D(4))]
    assert [bursar.outstanding(fine) for fine in (old, new)] == [0, 1]


def test_two_files_that_are_applied_simultaneously_divide_their_sums_one_after_the_other(bursar: Office) -> None:
    ada = bursar.library.user("A1")
    fines = [bursar.library.fine(ada, "5.00", created=LONG_AGO.replace(day=day)) for day in (1, 2)]
    bursar.office.export()
    files = [bursar.load(ALLOCATE, "A1,5.00", heading="User,Paid") for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda file: apply_payments(bursar.library.ledger, file, run_id="run"), files))
    assert [bursar.outstanding(fine) for fine in fines] == [0, 0]
    assert [row[1] for file in files for row in bursar.list_records(file)] == ["PAID", "PAID"]


def test_totals_of_all_payments_are_not_compared_with_the_fines_of_users(bursar: Office) -> None:
    bursar.inbox.change(amount_mode="cumulative")
    with pytest.raises(BursarError, match="finds fines by their users, and STUDENTS has amount_mode: cumulative"):
        pay_users(bursar, "A1,5.00")


def test_a_payment_that_an_earlier_file_had_has_no_effect(bursar: Office) -> None:
    fine, transaction = bursar.office.export_fine("10.00")
    first = f"{transaction},2.00,2026-03-01"
    assert [row[1] for row in pay_snapshot(bursar, first)] == ["PARTLY_PAID"]
    rows = pay_snapshot(bursar, first, f"{transaction},2.00,2026-03-02")
    assert [row[1:] for row in rows] == [
        ("REPEATED", None, "an earlier file had this payment"),
        ("PARTLY_PAID", D(2), ""),
    ]
    assert [row[1] for row in pay_snapshot(bursar, f"{transaction},2.00,2026-03-02", first)] == ["REPEATED"] * 2
    assert bursar.outstanding(fine) == 6
    assert "REPEATED" in EXPECTED_OUTCOMES
    assert (
        bursar.library.one("SELECT outcomes -> 'REPEATED' ->> 'records' FROM import_files WHERE name = '3.csv'") == "2"
    )


def test_equal_payments_of_one_file_are_as_many_payments(bursar: Office) -> None:
    fine, transaction = bursar.office.export_fine("10.00")
    row = f"{transaction},2.00,2026-03-01"
    assert [one[1] for one in pay_snapshot(bursar, row, row)] == ["PARTLY_PAID"] * 2
    assert [one[1] for one in pay_snapshot(bursar, row, row, row)] == ["REPEATED", "REPEATED", "PARTLY_PAID"]
    assert [one[1] for one in pay_snapshot(bursar, row)] == ["REPEATED"]
    assert [one[1] for one in pay_snapshot(bursar, row, row, row)] == ["REPEATED"] * 3
    assert bursar.outstanding(fine) == 4


def test_a_payment_that_found_no_fine_is_tried_again_in_the_next_file(bursar: Office) -> None:
    fine = bursar.library.fine(amount="10.00")
    transaction = bursar.library.one("SELECT next::text FROM transaction_ids")
    assert [row[1] for row in pay_snapshot(bursar, f"{transaction},2.00,2026-03-01")] == ["UNMATCHED"]
    bursar.office.export()
    assert bursar.office.get_transaction(fine) == transaction
    assert [row[1] for row in pay_snapshot(bursar, f"{transaction},2.00,2026-03-01")] == ["PARTLY_PAID"]


def test_two_files_with_the_same_payment_that_are_applied_simultaneously_count_it_once(bursar: Office) -> None:
    fine, transaction = bursar.office.export_fine("10.00")
    row = f"{transaction},2.00,2026-03-01"
    files = [bursar.load(SNAPSHOT, row, heading="Id,Paid,Day") for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda file: apply_payments(bursar.library.ledger, file, run_id="run"), files))
    assert bursar.outstanding(fine) == 8


def test_a_file_that_a_person_applies_again_has_new_payments(bursar: Office) -> None:
    fine, transaction = bursar.office.export_fine("10.00")
    (bursar.layouts / "office.yaml").write_text(SNAPSHOT, encoding="utf-8")
    for run_id, name in (("run 1", "a.csv"), ("run 2", "b.csv")):
        bursar.inbox.put(name, f"Id,Paid,Day\n{transaction},2.00,2026-03-01\n".encode())
        bursar.inbox.import_file(name, run_id)
    assert bursar.outstanding(fine) == 8
    with bursar.library.ledger.connect() as connection:
        (arrival,) = list_repeated_arrivals(connection, "STUDENTS", "run 2")
    apply_again(bursar.library.ledger, arrival.id, bursar.inbox.profile.import_, by="ada")
    assert bursar.outstanding(fine) == 6


def test_the_identifier_in_a_payment_is_erased_with_its_user(bursar: Office) -> None:
    ada = bursar.library.user("A1")
    bursar.library.user("B2")
    bursar.library.fine(ada, "5.00")
    bursar.office.export()
    pay_users(bursar, "A1,5.00", "B2,1.00")
    delete_user(bursar.library.ledger, ada)
    with bursar.library.ledger.connect() as connection:
        assert connection.scalars(text("SELECT identifier FROM import_records ORDER BY number")).all() == [None, "B2"]


def test_a_sum_that_no_amount_can_hold_is_invalid_with_its_line_and_reason(bursar: Office) -> None:
    fine, id_ = bursar.office.export_fine("10.00")
    rows = pay_snapshot(bursar, f"{id_},100000000000.00,2026-03-01", f"{id_},3.00,2026-03-01")
    too_large = "the sum is too large: amounts have at most 11 digits before the point"
    assert rows == [(2, "INVALID", None, too_large), (3, "PARTLY_PAID", D(3), "")]
    assert bursar.outstanding(fine) == D(7)


def test_a_credit_that_another_profile_sent_for_a_charge_is_found_by_its_user_and_item(bursar: Office) -> None:
    office, library = bursar.office, bursar.library
    students = make_profile(credits_profile="CREDITS")
    others = make_profile(code="CREDITS").with_credits_of(("STUDENTS",))
    item, barcode = bursar.item()
    user = library.user("me")
    charge = library.fine(user, "20.00", item=item)
    _export(library, students)
    office.pay(Payment(office.get_transaction(charge), "20.00"))
    with library.ledger.begin() as connection:
        credit = desk.reverse_charge(connection, charge, D(5))
    with pytest.raises(TransientError):
        _export(library, others, meanwhile=lambda: pay_items(bursar, f",me,{barcode},-5.00,USD"))
    assert bursar.outstanding(credit) == D(-5)
    [(_, outcome, applied, _)] = pay_items(bursar, f",me,{barcode},-5.00,USD")
    assert (outcome, applied, bursar.outstanding(credit)) == ("PAID", D(-5), D(0))


def _export(library: Library, profile: Profile, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Exports what is due, and does something before the batch is closed, which happens in any case."""
    batch = select_fines(library.ledger, profile, make_settings(), run_id=profile.code, as_of=datetime.now(UTC))
    record_delivery(library.ledger, batch.id)
    try:
        meanwhile()
    finally:
        close_fines(library.ledger, batch.id)
