"""A file that was not moved away is no second file; a second file keeps its way out, and an unfinished one is named."""

import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine

from bursar.errors import InputFileError, TransientError
from bursar.imports.apply import apply_payments
from bursar.imports.apply_again import apply_again, list_repeated_arrivals
from bursar.ledger.import_files import FileState
from bursar.notifications.alerts import Alert, find_alerts
from bursar.reporting.report_sentences import describe_repeated_file
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.payment_inbox import PaymentInbox, xml

D = Decimal
MOMENT = datetime(2026, 3, 2, 7, 30, tzinfo=UTC)


@pytest.fixture
def transaction(office: FakeBursar) -> str:
    """The transaction id of an exported fine of 10.00."""
    return office.export_fine("10.00")[1]


def put_at(inbox: PaymentInbox, name: str, content: bytes, moment: datetime = MOMENT) -> Path:
    path = inbox.put(name, content)
    os.utime(path, (moment.timestamp(), moment.timestamp()))
    return path


def import_without_moving(inbox: PaymentInbox, name: str, run_id: str) -> None:
    apply_payments(inbox.library.ledger, inbox.load_file(name, run_id).id, run_id=run_id)


def get_arrival(inbox: PaymentInbox, run_id: str) -> tuple[int, str]:
    """Returns the number of the repeated arrival of a run, and the sentence about it."""
    with inbox.library.ledger.connect() as connection:
        (arrival,) = list_repeated_arrivals(connection, "STUDENTS", run_id)
    return arrival.id, describe_repeated_file(arrival)


def get_outstanding(inbox: PaymentInbox) -> Decimal:
    outstanding: Decimal = inbox.library.one("SELECT outstanding FROM fines WHERE amount > 0")
    return outstanding


def import_two_files(inbox: PaymentInbox, transaction: str) -> int:
    """Imports two files of the same bytes; returns the number of the second arrival."""
    for run_id, name in (("run 1", "first.xml"), ("run 2", "second.xml")):
        put_at(inbox, name, xml(Payment(transaction, "4.00")))
        inbox.import_file(name, run_id)
    return get_arrival(inbox, "run 2")[0]


@pytest.mark.parametrize("moment", [MOMENT, datetime.fromtimestamp(0, UTC)], ids=["with times", "without times"])
def test_a_file_that_was_not_moved_away_is_not_applied_again(
    inbox: PaymentInbox, transaction: str, moment: datetime
) -> None:
    content = xml(Payment(transaction, "4.00"))
    for run_id in ("run 1", "run 2", "run 3"):
        put_at(inbox, "a.xml", content, moment)
        import_without_moving(inbox, "a.xml", run_id)
    for run_id in ("run 2", "run 3"):
        arrival, sentence = get_arrival(inbox, run_id)
        assert "apply-again" not in sentence
        with pytest.raises(InputFileError, match=r"a\.xml can't be applied again: .* was not moved away"):
            apply_again(inbox.library.ledger, arrival, inbox.profile.import_, by="anna")
    assert get_outstanding(inbox) == 6
    assert inbox.library.one("SELECT count(*) FROM import_files") == 1


def test_a_second_file_that_could_not_be_moved_away_keeps_its_way_out(inbox: PaymentInbox, transaction: str) -> None:
    content = xml(Payment(transaction, "4.00"))
    inbox.put("first.xml", content)
    inbox.import_file("first.xml", "run 1")
    put_at(inbox, "second.xml", content)
    for run_id in ("run 2", "run 3"):
        import_without_moving(inbox, "second.xml", run_id)
    second, sentence = get_arrival(inbox, "run 2")
    assert f"once, under Bursar > Waiting for a person (`bin/bursar imports apply-again {second}`)" in sentence
    third, sentence = get_arrival(inbox, "run 3")
    assert f"has arrived before (number {second})" in sentence
    with pytest.raises(InputFileError, match=f"as number {second}"):
        apply_again(inbox.library.ledger, third, inbox.profile.import_, by="anna")
    apply_again(inbox.library.ledger, second, inbox.profile.import_, by="anna")
    assert get_outstanding(inbox) == 2


def begin_to_apply_again(inbox: PaymentInbox, office: FakeBursar, arrival: int) -> None:
    """Begins to apply a file again while an export has not closed its fines, so that it can't be completed."""
    office._run("UPDATE batches SET closed_at = NULL")  # noqa: SLF001
    with pytest.raises(TransientError, match=f"`bin/bursar imports apply-again {arrival}`"):
        apply_again(inbox.library.ledger, arrival, inbox.profile.import_, by="anna")
    office._run("UPDATE batches SET closed_at = now()")  # noqa: SLF001


def find_alerts_at(engine: Engine, inbox: PaymentInbox, now: datetime) -> list[Alert]:
    with engine.begin() as connection:
        return find_alerts(connection, [inbox.profile], now=now)


def test_a_file_that_is_not_completely_applied_again_is_named(
    inbox: PaymentInbox, office: FakeBursar, transaction: str
) -> None:
    arrival = import_two_files(inbox, transaction)
    begin_to_apply_again(inbox, office, arrival)

    sentence = get_arrival(inbox, "run 2")[1]
    assert "that has not been completed" in sentence
    assert "had it applied again" not in sentence
    ledger, now = inbox.library.ledger, datetime.now(UTC)
    assert find_alerts_at(ledger, inbox, now) == []
    (alert,) = find_alerts_at(ledger, inbox, now + timedelta(hours=2))
    assert f"apply-again {arrival}" in alert.advice

    assert apply_again(ledger, arrival, inbox.profile.import_, by="ben").state is FileState.APPLIED
    assert "A person had it applied again" in get_arrival(inbox, "run 2")[1]
    assert find_alerts_at(ledger, inbox, now + timedelta(hours=2)) == []
