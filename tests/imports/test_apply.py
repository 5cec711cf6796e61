"""Applying payment files: the outcome of each record, for charges and credits, and simultaneous workers.

The module is long because every outcome is tested for charges and credits, and for simultaneous workers.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from bursar.errors import BatchError, InputFileError, TransientError
from bursar.exports.close import close_fines
from bursar.imports import apply
from bursar.ledger import desk
from bursar.ledger.import_files import FileState, ImportFile, get_import_file
from tests.support.fake_bursar import FakeBursar, Outcome, Payment
from tests.support.fault_injection import KilledError
from tests.support.fixtures import Library


def position(status: str, balance: str, outstanding: str) -> tuple[str, Decimal, Decimal]:
    return status, Decimal(balance), Decimal(outstanding)


def without_effect(outcome: str) -> Outcome:
    return Outcome(outcome, None, None)


@pytest.mark.parametrize(
    ("charged", "sum_", "outcome", "outstanding"),
    [
        ("10.00", "10", Outcome("PAID", Decimal(10), Decimal(0)), "0"),
        ("10.00", "10.000", Outcome("PAID", Decimal(10), Decimal(0)), "0"),
        ("10.00", "+10.00", Outcome("PAID", Decimal(10), Decimal(0)), "0"),
        ("10.00", "10." + "0" * 23, Outcome("PAID", Decimal(10), Decimal(0)), "0"),
        ("10.00", "10." + "0" * 40_000, without_effect("INVALID"), "10"),
        ("10.00", "9.99", Outcome("PARTLY_PAID", Decimal("9.99"), Decimal(0)), "0.01"),
        ("10.00", "0.01", Outcome("PARTLY_PAID", Decimal("0.01"), Decimal(0)), "9.99"),
        ("10.00", "10.01", Outcome("OVERPAID", Decimal(10), Decimal("0.01")), "0"),
        ("10.00", "0", without_effect("NO_PAYMENT"), "10"),
        ("10.00", "0.00", without_effect("NO_PAYMENT"), "10"),
        ("10.00", "-10", without_effect("INVALID"), "10"),
        ("10.00", "10,00", without_effect("INVALID"), "10"),
        ("10.00", "1e1", without_effect("INVALID"), "10"),
        ("10.00", "10.0001", without_effect("INVALID"), "10"),
        ("10.00", "NaN", without_effect("INVALID"), "10"),
        ("10.00", "", without_effect("INVALID"), "10"),
        ("10.00", None, without_effect("INVALID"), "10"),
        ("-10.00", "-10", Outcome("PAID", Decimal(-10), Decimal(0)), "0"),
        ("-10.00", "-4", Outcome("PARTLY_PAID", Decimal(-4), Decimal(0)), "-6"),
        ("-10.00", "-10.01", without_effect("INVALID"), "-10"),
        ("-10.00", "10", without_effect("INVALID"), "-10"),
        ("-10.00", "0", without_effect("NO_PAYMENT"), "-10"),
    ],
)
def test_each_payment_has_the_outcome_of_the_rules(
    office: FakeBursar, charged: str, sum_: str | None, outcome: Outcome, outstanding: str
) -> None:
    fine, transaction = office.export_fine(charged)
    assert office.pay(Payment(transaction, sum_)) == [outcome]
    status = "CLOSED" if outcome.applied is None else "TRANSFERRED"
    assert office.library.position(fine) == position(status, "0", outstanding)


def test_an_overpayment_becomes_a_credit_of_the_next_export(office: FakeBursar) -> None:
    fine, transaction = office.export_fine("10.00", owner="LAW")
    office.pay(Payment(transaction, "15"))
    credit = office.library.one("SELECT id FROM fines WHERE reverses = :fine", fine=fine)
    assert office.library.position(credit) == position("ACTIVE", "-5", "0")
    kind, owner, same_user = office.library.one(
        "SELECT ARRAY[c.fine_fee_type, c.owner_library, (c.user_id = f.user_id)::text]"
        " FROM fines c JOIN fines f ON f.id = c.reverses"
    )
    assert (kind, owner, same_user) == ("CREDIT", "LAW", "true")
    office.export()
    assert office.library.position(credit) == position("CLOSED", "0", "-5")


@pytest.mark.parametrize("charged", ["10.00", "-10.00"])
def test_a_settled_fine_is_not_paid_again(office: FakeBursar, charged: str) -> None:
    _, transaction = office.export_fine(charged)
    payment = Payment(transaction, charged)
    assert [outcome.outcome for outcome in office.pay(payment, payment)] == ["PAID", "ALREADY_SETTLED"]
    assert office.pay(payment) == [without_effect("ALREADY_SETTLED")]
    assert office.library.one("SELECT count(*) FROM fines") == 1


def test_a_fine_that_counts_as_paid_by_its_export_is_not_paid_again(office: FakeBursar) -> None:
    fine = office.library.fine()
    office.export(import_active=False)
    assert office.pay(Payment(office.get_transaction(fine), "12.50")) == [without_effect("ALREADY_SETTLED")]
    assert office.library.position(fine) == position("CLOSED", "0", "0")


@pytest.mark.parametrize(
    ("payment", "reason"),
    [
        (Payment("4711", "10"), "no exported fine"),
        (Payment("", "10", internal_id="999999"), "no exported fine"),
        (Payment(None, "10", internal_id="12; DROP TABLE fines"), "no exported fine"),
        (Payment(None, "10", internal_id="9" * 30), "no exported fine"),
    ],
)
def test_unknown_ids_match_nothing(office: FakeBursar, payment: Payment, reason: str) -> None:
    office.export_fine()
    assert office.pay(payment) == [without_effect("UNMATCHED")]
    assert reason in office.library.one("SELECT reason FROM import_records")


def test_a_record_without_any_id_is_invalid(office: FakeBursar) -> None:
    office.export_fine()
    assert office.pay(Payment(None, "10")) == [without_effect("INVALID")]


def test_a_record_matches_by_transaction_id_before_internal_id(office: FakeBursar) -> None:
    first, second = office.library.fine(amount="10"), office.library.fine(amount="10")
    office.export()
    office.pay(Payment(office.get_transaction(first), "10", internal_id=str(second)))
    assert office.library.position(first) == position("TRANSFERRED", "0", "0")
    assert office.library.position(second) == position("CLOSED", "0", "10")
    assert office.pay(Payment("their own number", "10", internal_id=str(second)))[0].outcome == "PAID"


def test_a_fine_that_was_never_exported_can_not_be_paid_by_its_internal_id(office: FakeBursar) -> None:
    fine = office.library.fine()
    assert office.pay(Payment(None, "12.50", internal_id=str(fine))) == [without_effect("UNMATCHED")]
    assert office.library.position(fine) == position("ACTIVE", "12.5", "0")


def test_leading_zeros_are_part_of_an_id(office: FakeBursar) -> None:
    _, transaction = office.export_fine()
    assert office.pay(Payment(f"0{transaction}", "10")) == [without_effect("UNMATCHED")]


@pytest.mark.parametrize(
    ("currency", "outcome"), [("CAD", "CURRENCY_MISMATCH"), ("usd", "CURRENCY_MISMATCH"), (None, "PAID")]
)
def test_a_record_in_another_currency_is_not_applied(office: FakeBursar, currency: str | None, outcome: str) -> None:
    _, transaction = office.export_fine()
    assert office.pay(Payment(transaction, "10", currency))[0].outcome == outcome


@pytest.mark.parametrize(
    ("amounts", "sum_", "total", "again"),
    [
        ("incremental", "0.001", "40", {"ALREADY_SETTLED": 40_000}),
        ("cumulative", "n * 0.001", "800020", {"INVALID": 9_999, "ALREADY_SETTLED": 30_001}),
    ],
)
def test_a_fine_may_have_any_number_of_records(
    office: FakeBursar, amounts: str, sum_: str, total: str, again: dict[str, int]
) -> None:
    """The time must not grow with the square of the number of records: then this test would take hours."""
    fine, transaction = office.export_fine("10.00", currency="KWD")
    for outcomes in ({"PARTLY_PAID": 9_999, "PAID": 1, "ALREADY_SETTLED": 30_000}, again):
        file = office.add_file(amounts=amounts)
        with office.library.ledger.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO import_records (file_id, number, line, transaction_id, currency, sum)"
                    f" SELECT :file, n, n, :transaction, 'KWD', {sum_} FROM generate_series(1, 40000) AS n"
                ),
                {"file": file, "transaction": transaction},
            )
            totals = text("UPDATE import_files SET records = 40000, totals = CAST(:totals AS jsonb) WHERE id = :file")
            connection.execute(totals, {"file": file, "totals": f'{{"KWD": "{total}"}}'})
        applied = office.apply(file)
        assert {name: outcome.records for name, outcome in (applied.outcomes or {}).items()} == outcomes
    assert office.library.position(fine) == position("TRANSFERRED", "0", "0")


@pytest.mark.usefixtures("partition_count")
def test_records_of_one_fine_are_applied_in_order(office: FakeBursar) -> None:
    fine, transaction = office.export_fine("10.00")
    sums = ["4", "0", "-1", "4", "4", "4"]
    assert [outcome.outcome for outcome in office.pay(*(Payment(transaction, sum_) for sum_ in sums))] == [
        "PARTLY_PAID", "NO_PAYMENT", "PAYMENT_REVERSED", "PARTLY_PAID", "OVERPAID", "ALREADY_SETTLED",
    ]  # fmt: skip
    assert office.library.position(fine) == position("TRANSFERRED", "0", "0")
    assert office.library.one("SELECT amount FROM fines WHERE reverses = :fine", fine=fine) == Decimal(-1)


def test_an_invalid_record_does_not_affect_the_next_one(office: FakeBursar) -> None:
    _, transaction = office.export_fine("-10.00")
    outcomes = office.pay(Payment(transaction, "-11"), Payment(transaction, "-10"))
    assert [outcome.outcome for outcome in outcomes] == ["INVALID", "PAID"]


@pytest.mark.parametrize(
    ("files", "outcomes", "outstanding", "credit"),
    [
        (["4", "10"], ["PARTLY_PAID", "PAID"], "0", None),
        (["4", "4"], ["PARTLY_PAID", "NO_PAYMENT"], "6", None),
        (["4", "3", "5"], ["PARTLY_PAID", "INVALID", "PARTLY_PAID"], "5", None),
        (["15", "15"], ["OVERPAID", "ALREADY_SETTLED"], "0", "-5"),
        (["10", "10"], ["PAID", "ALREADY_SETTLED"], "0", None),
        (["0", "10"], ["NO_PAYMENT", "PAID"], "0", None),
    ],
)
@pytest.mark.parametrize("in_one_file", [False, True])
def test_a_cumulative_amount_pays_the_difference_to_the_last_one(
    office: FakeBursar, files: list[str], outcomes: list[str], outstanding: str, credit: str | None, in_one_file: bool
) -> None:
    fine, transaction = office.export_fine("10.00")
    payments = [Payment(transaction, sum_) for sum_ in files]
    groups = [payments] if in_one_file else [[payment] for payment in payments]
    found = [outcome.outcome for group in groups for outcome in office.pay(*group, amounts="cumulative")]
    assert found == outcomes
    assert office.library.position(fine)[2] == Decimal(outstanding)
    credit_made = office.library.one("SELECT sum(amount) FROM fines WHERE reverses = :fine", fine=fine)
    assert credit_made == (None if credit is None else Decimal(credit))


def test_cumulative_amounts_report_an_earlier_settlement_once(library: Library, office: FakeBursar) -> None:
    fine, transaction = office.export_fine("10.00")
    with library.ledger.begin() as connection:
        desk.waive(connection, fine, allow_activity_on_transferred_finesfees=True)
    for total in ("4.00", "4.00", "10.00"):
        office.pay(Payment(transaction, total), amounts="cumulative")
    assert library.one("SELECT array_agg(outcome ORDER BY file_id) FROM import_records") == ["ALREADY_SETTLED"] * 3
    assert library.one("SELECT sum(already_settled) FROM import_records") == Decimal(10)


def test_cumulative_amounts_of_credits_have_the_same_outcomes(office: FakeBursar) -> None:
    _, transaction = office.export_fine("-10.00")
    found = [
        office.pay(Payment(transaction, sum_), amounts="cumulative")[0].outcome for sum_ in ("-4", "-4", "-10", "-12")
    ]
    assert found == ["PARTLY_PAID", "NO_PAYMENT", "PAID", "ALREADY_SETTLED"]


@pytest.mark.usefixtures("partition_count")
def test_a_file_is_applied_once(office: FakeBursar) -> None:
    fine, transaction = office.export_fine("10.00")
    file = office.add_file(Payment(transaction, "4"))
    first, second = office.apply(file), office.apply(file)
    assert (first.state, second) == (FileState.APPLIED, first)
    assert office.library.position(fine)[2] == Decimal(6)


@pytest.mark.usefixtures("partition_count")
def test_simultaneous_workers_apply_each_file_once(office: FakeBursar) -> None:
    fine, transaction = office.export_fine("10.00")
    files = [office.add_file(Payment(transaction, "4")), office.add_file(Payment(transaction, "4"))] * 2
    start = Barrier(4)

    def apply(file: int) -> None:
        start.wait()
        office.apply(file)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(apply, files))
    assert office.library.position(fine)[2] == Decimal(2)


@pytest.mark.usefixtures("partition_count")
def test_simultaneous_desk_and_import_do_not_deadlock(office: FakeBursar) -> None:
    exported = [office.library.fine(amount="10") for _ in range(10)]
    office.export()
    opened = [office.library.fine(amount="10") for _ in range(10)]
    files = [office.add_file(Payment(office.get_transaction(fine), "10")) for fine in exported]
    start = Barrier(2)

    def pay() -> None:
        start.wait()
        for fine in opened:
            with office.library.ledger.begin() as connection:
                desk.pay(connection, fine)

    def apply() -> None:
        start.wait()
        for file in files:
            office.apply(file)

    with ThreadPoolExecutor(2) as pool:
        for done in (pool.submit(pay), pool.submit(apply)):
            done.result()
    assert office.library.one("SELECT sum(abs(balance) + abs(outstanding)) FROM fines") == 0


@pytest.mark.usefixtures("partition_count")
def test_an_import_waits_for_a_settlement_at_the_desk(office: FakeBursar) -> None:
    """The outcome of a record depends on the amount that is outstanding after the fine has been locked."""
    fine, transaction = office.export_fine("10.00")
    file = office.add_file(Payment(transaction, "10"))
    with ThreadPoolExecutor(1) as pool:
        with office.library.ledger.begin() as connection:
            desk.pay(connection, fine, Decimal(4), allow_activity_on_transferred_finesfees=True)
            applying = pool.submit(office.apply, file)
            with pytest.raises(TimeoutError):
                applying.result(timeout=0.5)
        applying.result()
    assert office.list_outcomes(file) == [Outcome("PAID", Decimal(6), Decimal(0))]
    assert office.library.one("SELECT already_settled FROM import_records") == 4
    assert office.library.position(fine) == position("TRANSFERRED", "0", "0")


@pytest.mark.usefixtures("partition_count")
def test_an_import_blocks_no_other_fine(office: FakeBursar) -> None:
    fine, transaction = office.export_fine("10.00")
    file = office.add_file(Payment(transaction, "10"))
    other = office.library.fine(amount="10")
    with ThreadPoolExecutor(1) as pool:
        with office.library.ledger.begin() as connection:
            connection.execute(text("SELECT FROM fines WHERE id = :fine FOR UPDATE"), {"fine": fine})
            applying = pool.submit(office.apply, file)
            with pytest.raises(TimeoutError):
                applying.result(timeout=0.5)
            with office.library.ledger.begin() as at_the_desk:
                at_the_desk.execute(text("SET LOCAL lock_timeout = '5s'"))
                desk.pay(at_the_desk, other)
        applying.result()
    assert office.library.position(other) == position("CLOSED", "0", "0")


def kill_in_partition(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the worker of one partition fail as if it were killed; the other partition is applied."""
    apply_partition = apply.apply_partition

    def apply_or_die(found: ImportFile, connection: Connection, partition: Mapping[str, int], **limit: Any) -> None:
        if partition["partition_number"] == number:
            raise KilledError
        apply_partition(found, connection, partition, **limit)

    monkeypatch.setattr(apply, "apply_partition", apply_or_die)


@pytest.mark.parametrize("partition_count", [2], indirect=True)
@pytest.mark.parametrize("killed_in", [0, 1])
def test_a_fine_that_is_exported_between_two_attempts_is_paid_once(
    office: FakeBursar, monkeypatch: pytest.MonkeyPatch, partition_count: int, killed_in: int
) -> None:
    """The partition of a record is that of its fine; without a match it may be the other one."""
    paid, transaction = office.export_fine("10.00")
    late = office.library.fine(amount="10")
    assert (paid % 2, late % 2) == (1, 0)
    odd = office.library.fine(amount="10")
    file = office.add_file(Payment(transaction, "10"), Payment(None, "4", internal_id=str(odd)))
    with monkeypatch.context() as patched:
        kill_in_partition(killed_in, patched)
        with pytest.raises(KilledError):
            office.apply(file)
    office.export()
    applied = office.apply(file)
    assert sum(outcome.records for outcome in (applied.outcomes or {}).values()) == 2
    first, second = office.list_outcomes(file)
    assert first.outcome == "PAID"
    assert second == (Outcome("PARTLY_PAID", Decimal(4), Decimal(0)) if killed_in == 0 else without_effect("UNMATCHED"))
    assert office.library.position(odd)[2] == (6 if killed_in == 0 else 10)


@pytest.mark.usefixtures("partition_count")
def test_a_late_worker_applies_no_payment_again(office: FakeBursar) -> None:
    """Another worker applies the file while this one is between matching and locking, or before it starts."""
    fine, transaction = office.export_fine("10.00")
    file = office.add_file(Payment(transaction, "4"), Payment("unknown", "1"))
    with office.library.ledger.connect() as connection:
        found = get_import_file(connection, file)

    with pytest.MonkeyPatch.context() as patched:

        def apply_in_another_worker(*_: object) -> None:
            patched.undo()
            office.apply(file)

        patched.setattr(apply, "require_closed_batches", apply_in_another_worker)
        with pytest.raises(TransientError, match="another worker"), office.library.ledger.begin() as late:
            apply.apply_partition(found, late, {"partition_number": 0, "partition_count": 1})
    with office.library.ledger.begin() as later:
        apply.apply_partition(found, later, {"partition_number": 0, "partition_count": 1})
    repeated = apply.apply_payments(office.library.ledger, file, run_id="late")
    assert repeated.state is FileState.APPLIED
    assert repeated.outcomes
    assert office.library.position(fine) == position("TRANSFERRED", "0", "6")


@pytest.mark.usefixtures("partition_count")
def test_an_early_payment_file_waits_until_its_batch_is_closed(office: FakeBursar) -> None:
    fine = office.library.fine(amount="10")
    batch = office.export(close=False)
    file = office.add_file(Payment(office.get_transaction(fine), "10"))
    with pytest.raises(TransientError, match=f"batch {batch} of STUDENTS"):
        office.apply(file)
    close_fines(office.library.ledger, batch)
    office.apply(file)
    assert office.library.position(fine) == position("TRANSFERRED", "0", "0")


def test_a_payment_for_a_released_batch_matches_nothing(office: FakeBursar) -> None:
    fine = office.library.fine(amount="10")
    office.export(close=False)
    transaction = office.get_transaction(fine)
    with office.library.ledger.begin() as connection:
        connection.execute(text("UPDATE batches SET released_at = now()"))
        connection.execute(text("DELETE FROM batch_claims"))
    assert office.pay(Payment(transaction, "10")) == [without_effect("UNMATCHED")]
    assert office.library.position(fine) == position("ACTIVE", "10", "0")


@pytest.mark.usefixtures("partition_count")
@pytest.mark.parametrize("records", [0, 1, 1_000, 1_001])
def test_every_record_has_an_outcome_at_any_file_size(office: FakeBursar, records: int) -> None:
    _, transaction = office.export_fine("5.00")
    file = office.add_file(*[Payment(transaction, "0.01")] * records)
    applied = office.apply(file)
    assert office.library.one("SELECT count(*) FROM import_records WHERE outcome IS NOT NULL") == records
    assert sum(outcome.records for outcome in (applied.outcomes or {}).values()) == records


@pytest.mark.usefixtures("partition_count")
@pytest.mark.parametrize(
    "change", ["UPDATE import_records SET sum = '9'", "DELETE FROM import_records WHERE number = 2"]
)
def test_a_file_whose_counts_or_sums_differ_is_not_applied(
    office: FakeBursar, owned_ledger: Engine, change: str
) -> None:
    """The difference may be in any partition."""
    fine, transaction = office.export_fine("10.00")
    file = office.add_file(Payment(transaction, "10"), Payment("unknown", "0"))
    with owned_ledger.begin() as connection:
        connection.execute(text(change))
    with pytest.raises(BatchError, match="not applied"):
        office.apply(file)
    assert office.library.position(fine) == position("CLOSED", "0", "10")
    assert office.library.one("SELECT count(*) FROM journal_entries WHERE entry_type = 'PAID_AT_BURSAR'") == 0


def test_a_file_that_was_not_loaded_is_not_applied(office: FakeBursar) -> None:
    file = office.add_file()
    with office.library.ledger.begin() as connection:
        connection.execute(text("UPDATE import_files SET read_at = NULL"))
    with pytest.raises(InputFileError, match="not read yet"):
        office.apply(file)
