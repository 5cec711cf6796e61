"""The warnings of an import about payments: totals under `incremental`, held and reversed payments, known files."""

from datetime import UTC, datetime

import pytest

from bursar.reporting.build_report import build_import_report
from bursar.reporting.run_report import RunOutcome, RunReport
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.payment_inbox import PaymentInbox, xml


def report_of(inbox: PaymentInbox, run: str) -> RunReport:
    return build_import_report(inbox.library.ledger, "STUDENTS", run_id=run, started_at=datetime.now(UTC), failed=())


def import_files(inbox: PaymentInbox, *files: dict[str, str]) -> list[RunReport]:
    """Imports files, each of sums by transaction, in runs of their own; returns the reports of the runs."""
    reports = []
    for number, sums in enumerate(files, start=1):
        inbox.put(f"{number}.xml", xml(*(Payment(transaction, sum_) for transaction, sum_ in sums.items())))
        inbox.import_file(f"{number}.xml", f"run {number}")
        reports.append(report_of(inbox, f"run {number}"))
    return reports


def warns(report: RunReport) -> bool:
    return any("amount_mode" in message for message in report.messages)


@pytest.mark.parametrize(
    ("charged", "sums", "warned"),
    [
        ("10.00", ["4.00", "10.00"], [False, True]),  # grown, and an overpayment
        ("20.00", ["4.00", "10.00"], [False, False]),  # may be two instalments
        ("20.00", ["2.00", "3.00", "4.00"], [False, False, True]),  # grown twice
        ("20.00", ["2.00", "4.00", "3.00"], [False, False, False]),
        ("20.00", ["5.00", "5.00", "5.00"], [False, False, False]),
        ("10.00", ["15.00", "15.00"], [False, True]),  # more than owed twice in a row
        ("10.00", ["10.00", "10.00"], [False, False]),  # a repeated report
        ("10.00", ["10.00", "-10.00", "10.00"], [False, False, False]),
        ("10.00", ["6.00", "6.00"], [False, False]),  # one overpayment
    ],
)
def test_sums_that_look_like_totals_are_a_warning_that_names_the_setting(
    inbox: PaymentInbox, office: FakeBursar, charged: str, sums: list[str], warned: list[bool]
) -> None:
    _, transaction = office.export_fine(charged)
    # A second record keeps the bytes of two files from being the same.
    files = [{transaction: sum_, f"other {number}": "1"} for number, sum_ in enumerate(sums)]
    reports = import_files(inbox, *files)
    assert [warns(report) for report in reports] == warned
    if warned[-1]:
        (message,) = (message for message in reports[-1].messages if "amount_mode" in message)
        assert "1 fine got sums" in message
        assert "set amount_mode to cumulative in the import section of the profile STUDENTS" in message


def test_many_fines_that_all_grow_are_a_warning_and_one_that_falls_prevents_it(
    inbox: PaymentInbox, office: FakeBursar
) -> None:
    transactions = [office.export_fine("20.00")[1] for _ in range(4)]
    rising = [dict.fromkeys(transactions[:3], sum_) for sum_ in ("2.00", "3.00")]
    (*_, report) = import_files(inbox, *rising)
    assert warns(report)
    with_another = [one | {transactions[3]: sum_} for one, sum_ in zip(rising, ("3.00", "2.00"), strict=True)]
    inbox.put("a.xml", xml(*(Payment(*one) for one in with_another[0].items())))
    assert not warns(import_files(inbox, *with_another)[0])


def test_a_cumulative_profile_gets_no_warning(inbox: PaymentInbox, office: FakeBursar) -> None:
    inbox.change(amount_mode="cumulative")
    _, transaction = office.export_fine("10.00")
    reports = import_files(inbox, *({transaction: sum_} for sum_ in ("2.00", "4.00", "10.00")))
    assert [report.outcome for report in reports] == [RunOutcome.COMPLETED] * 3


def test_a_held_overpayment_is_named_with_its_commands(inbox: PaymentInbox, office: FakeBursar) -> None:
    fine, transaction = office.export_fine("10.00")
    (report,) = import_files(inbox, {transaction: "100.00"})
    (message,) = report.messages
    assert f"Record 1 in 1.xml (transaction {transaction}) overpays fine {fine} by 90.00 USD" in message
    assert "released (`bin/bursar overpayments release 1 1`), it becomes a credit" in message
    assert report.outcome is RunOutcome.WITH_WARNINGS
    assert report.fines == 1
    assert report.totals["USD"].charges == 10


def test_of_many_held_overpayments_some_are_named(inbox: PaymentInbox, office: FakeBursar) -> None:
    transactions = [office.export_fine("1.00")[1] for _ in range(7)]
    (report,) = import_files(inbox, dict.fromkeys(transactions, "100.00"))
    assert len(report.messages) == 6
    assert "7 overpayments in 1.xml are beyond the limit" in report.messages[-1]


def test_a_reversed_payment_is_a_warning_and_lowers_the_totals(inbox: PaymentInbox, office: FakeBursar) -> None:
    _, transaction = office.export_fine("10.00")
    _, report = import_files(inbox, {transaction: "10.00"}, {transaction: "-4.00"})
    (message,) = report.messages
    assert "1 record in 2.xml reverses an earlier payment, 4.00 USD in all" in message
    assert report.totals["USD"].charges == -4
    assert report.totals["USD"].credits == 0
    assert (report.fines, report.users) == (0, 0)


def test_a_known_file_of_the_same_run_is_named_with_its_command(inbox: PaymentInbox, office: FakeBursar) -> None:
    _, transaction = office.export_fine("10.00")
    for name in ("a.xml", "b.xml"):
        inbox.put(name, xml(Payment(transaction, "4.00")))
        inbox.import_file(name)
    report = report_of(inbox, "run 1")
    (message,) = report.messages
    assert message.startswith("b.xml has the same content as a.xml, which was applied before; it changed nothing.")
    assert "apply it, once, under Bursar > Waiting for a person (`bin/bursar imports apply-again 2`)." in message
