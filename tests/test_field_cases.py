"""Payment files as bursars were seen to write them, each with its right value. Transaction 1 is a fine of 10.00."""

from decimal import Decimal
from pathlib import Path

import pytest

from bursar.errors import InputFileError
from bursar.imports.apply import apply_payments
from bursar.imports.apply_again import apply_again, list_repeated_arrivals
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.payment_inbox import PaymentInbox

SAMPLES = Path(__file__).parent / "samples" / "field"


@pytest.fixture
def fine(inbox: PaymentInbox, office: FakeBursar) -> int:
    """A fine of 10.00 with the transaction id 1."""
    fine, transaction = office.export_fine("10.00")
    assert transaction == "1"
    assert inbox.library.ledger is office.library.ledger
    return fine


def import_sample(inbox: PaymentInbox, sample: str, name: str = "a.xml", run_id: str = "run 1") -> list[str]:
    """Imports a sample under a name; returns the outcomes of its file."""
    inbox.put(name, (SAMPLES / f"{sample}.xml").read_bytes())
    file = apply_payments(inbox.library.ledger, inbox.load_file(name, run_id).id, run_id=run_id)
    inbox.archive_file(name, run_id)
    return list(file.outcomes or {})


def get_outstanding(inbox: PaymentInbox, fine: int) -> Decimal:
    outstanding: Decimal = inbox.library.position(fine)[2]
    return outstanding


@pytest.mark.parametrize(
    "sample", ["payments-encoding-utf8-alias", "payments-declares-utf16-is-utf8", "payments-blank-first-line"]
)
def test_a_file_with_an_odd_beginning_is_read(inbox: PaymentInbox, fine: int, sample: str) -> None:
    assert import_sample(inbox, sample) == ["PAID"]
    assert get_outstanding(inbox, fine) == 0


def test_a_file_with_records_of_another_name_is_refused_with_what_was_found(inbox: PaymentInbox, fine: int) -> None:
    with pytest.raises(InputFileError, match="userfinefee"):
        import_sample(inbox, "payments-wrong-record-name")
    assert get_outstanding(inbox, fine) == 10
    assert inbox.archive_file("a.xml") == "failed/a.xml"


def test_a_returned_cheque_makes_the_fine_outstanding_again(inbox: PaymentInbox, office: FakeBursar, fine: int) -> None:
    office.pay(Payment("1", "10.00"))
    assert import_sample(inbox, "payments-returned-cheque") == ["PAYMENT_REVERSED"]
    assert get_outstanding(inbox, fine) == 10


def test_an_instalment_under_a_second_name_changes_nothing_before_a_person_applies_it(
    inbox: PaymentInbox, fine: int
) -> None:
    for run_id, name in (("run 1", "first.xml"), ("run 2", "second.xml")):
        import_sample(inbox, "payments-instalment", name, run_id)
    assert get_outstanding(inbox, fine) == 5
    with inbox.library.ledger.connect() as connection:
        (arrival,) = list_repeated_arrivals(connection, "STUDENTS", "run 2")
    apply_again(inbox.library.ledger, arrival.id, inbox.profile.import_, by="anna")
    assert get_outstanding(inbox, fine) == 0
