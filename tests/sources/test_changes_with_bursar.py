"""What a row may change of a fine that is with a bursar: the last column of docs/reference/loading.md.

Each change is loaded after the export, and while it is not finished: then the next load applies it.
"""

import pytest

from tests.support.fake_bursar import Payment
from tests.support.library_source import CREDIT, LibrarySource

Entries = list[tuple[str, str, str]]
Case = tuple[dict[str, str], Entries, list[str], str]

OPEN: list[Case] = [
    ({"amount": "12.00"}, [], ["other_amount"], "0.00"),
    ({"amount": "7.00", "balance": "7.00"}, [], ["other_amount"], "0.00"),
    ({"amount": "12.00", "balance": "10.00"}, [("PAID", "0.00", "-2.00")], ["other_amount"], "2.00"),
    ({"balance": "4.00"}, [("PAID", "0.00", "-6.00")], [], "6.00"),
    ({"balance": "0.00"}, [("PAID", "0.00", "-10.00")], [], "10.00"),
    ({"balance": "0.00", "settled_as": "waived"}, [("WAIVED", "0.00", "-10.00")], [], "10.00"),
    ({"balance": "0.00", "settled_as": "cancelled"}, [("CANCELLED", "0.00", "-10.00")], [], "10.00"),
    ({"status": "cancelled"}, [("CANCELLED", "0.00", "-10.00")], [], "10.00"),
    ({"amount": "0.00"}, [("CANCELLED", "0.00", "-10.00")], [], "10.00"),
    ({"primary_id": "user2"}, [("MOVED", "0.00", "0.00")], [], "0.00"),
    ({"status": "disputed"}, [], ["disputed_late"], "0.00"),
    ({"status": "accruing"}, [], [], "0.00"),
]
CLOSING: list[Case] = [
    ({"balance": "0.00"}, [], [], "0.00"),
    ({"balance": "0.00", "settled_as": "waived"}, [], [], "0.00"),
    ({"balance": "4.00"}, [("PAID", "0.00", "-6.00")], [], "6.00"),
    ({"status": "cancelled"}, [("CANCELLED", "0.00", "-10.00")], [], "10.00"),
    ({"amount": "12.00"}, [], ["other_amount"], "0.00"),
    ({"primary_id": "user2"}, [("MOVED", "0.00", "0.00")], [], "0.00"),
]
CASES = [*((False, *case) for case in OPEN), *((True, *case) for case in CLOSING)]
DEFERRED = [CASES[number] for number in (0, 2, 3, 5, 7, 9, 10, 12, 14)]
"""One for each column that a deferred row keeps. All of them: where the export is released, in the file for that."""


def check(source: LibrarySource, change: dict[str, str], entries: Entries, pending: str) -> None:
    """Checks what a change has made of F1 and what the next export sends, and that the row changes nothing any more."""
    assert source.entries() == [("EXPORTED", "-10.00", "10.00"), *entries]
    assert source.position()[1:] == ("0.00", f"{10 - float(pending):.2f}")
    assert source.pending() == pending
    assert source.fine().user_id == (2 if "primary_id" in change else 1)
    again = source.load(change)
    assert (again.counts.fines_unchanged, again.messages) == (1, ())
    assert source.export() == ([] if pending == "0.00" else [(f"-{pending}", "1")])
    assert source.pending() == "0.00"
    assert source.export() == []


@pytest.mark.parametrize(("closes", "change", "entries", "codes", "pending"), CASES)
def test_a_fine_with_a_bursar_changes_as_the_row_says(
    exported: LibrarySource, change: dict[str, str], entries: Entries, codes: list[str], pending: str, *, closes: bool
) -> None:
    exported.rules["closes_exported_fines"] = closes
    assert exported.codes(change) == codes
    check(exported, change, entries, pending)


@pytest.mark.parametrize(("closes", "change", "entries", "codes", "pending"), DEFERRED)
def test_a_deferred_row_is_applied_once_its_export_was_closed(
    source: LibrarySource, change: dict[str, str], entries: Entries, codes: list[str], pending: str, *, closes: bool
) -> None:
    source.rules["closes_exported_fines"] = closes
    source.load({})
    batch = source.select()
    for _ in range(2):
        assert source.codes(change) == ["in_unfinished_batch"]
    assert source.entries() == []
    source.close(batch)
    if closes and change.get("balance") == "0.00":
        codes = ["paid_or_closed"]
    assert source.codes() == codes, "the row need not be in the files any more"
    check(source, change, entries, pending)
    assert source.system.rows("SELECT count(*) FROM deferred_fines") == [0]


def test_a_newer_row_replaces_the_deferred_one(source: LibrarySource) -> None:
    source.load({})
    batch = source.select()
    source.load({"balance": "0.00"})
    source.load({"balance": "4.00"})
    source.close(batch)
    source.load()
    assert source.entries() == [("EXPORTED", "-10.00", "10.00"), ("PAID", "0.00", "-6.00")]


def test_a_deferred_row_that_is_taken_back_changes_nothing(source: LibrarySource) -> None:
    source.load({})
    batch = source.select()
    source.load({"balance": "0.00"})
    assert source.codes({"balance": "10.00"}) == []
    source.close(batch)
    source.load()
    assert source.entries() == [("EXPORTED", "-10.00", "10.00")]


def test_a_deferred_row_is_rejected_or_reported_with_the_file_that_it_was_in(source: LibrarySource) -> None:
    source.load({})
    source.select()
    first = source.load({"balance": "4.00"}).messages
    (message,) = source.load().messages
    assert (message.file, message.line) == (first[0].file, first[0].line) == (str(source.folder / "fines.csv"), 2)


@pytest.mark.parametrize("in_file", [True, False])
def test_a_fine_that_was_paid_off_during_an_export_may_have_been_closed_by_it(
    source: LibrarySource, *, in_file: bool
) -> None:
    source.rules["closes_exported_fines"] = True
    source.load({})
    batch = source.select()
    source.load({"balance": "0.00"})
    source.close(batch)
    (message,) = source.load(*([{"balance": "0.00"}] if in_file else [])).messages
    assert (message.kind, message.code, message.source_id) == ("warning", "paid_or_closed", "F1")
    assert source.position()[2] == "10.00"
    assert source.codes({"balance": "0.00"}) == []


def test_a_fine_that_a_credit_settled_during_an_export_asks_nobody(source: LibrarySource) -> None:
    source.rules["closes_exported_fines"] = True
    source.load({})
    batch = source.select()
    source.load({"balance": "0.00"}, CREDIT | {"balance": "0.00"})
    source.close(batch)
    assert source.codes() == []
    assert source.export() == [("-10.00", "1")]


def test_a_closing_after_a_payment_of_a_part_changes_nothing(closing: LibrarySource) -> None:
    closing.load({"balance": "4.00"})
    assert closing.codes({"balance": "0.00"}) == []
    assert closing.position()[2] == "4.00"


def test_a_cancelled_fine_that_is_open_again_is_a_warning(exported: LibrarySource) -> None:
    exported.load({"status": "cancelled"})
    assert exported.codes({"status": "open"}) == ["came_back"]
    assert exported.codes({"status": "open"}) == []


@pytest.mark.parametrize("closes", [True, False])
def test_a_refund_after_the_export_is_a_warning(exported: LibrarySource, *, closes: bool) -> None:
    exported.rules["closes_exported_fines"] = closes
    exported.load({"balance": "0.00"})
    entries = exported.count_entries()
    assert exported.codes({"balance": "10.00"}) == ["came_back"]
    assert exported.codes({"balance": "10.00"}) == []
    assert exported.count_entries() == entries


def test_a_payment_there_may_be_that_of_the_row(exported: LibrarySource) -> None:
    exported.bursar.pay(Payment("1", "6.00"))
    assert exported.codes({"balance": "4.00"}) == ["settled_twice"]
    assert exported.position()[2] == "4.00"
    assert exported.codes({"balance": "1.00"}) == []
    assert exported.position()[2] == "1.00"
    assert exported.export() == [("-3.00", "1")]


def test_more_than_is_outstanding_is_not_settled(exported: LibrarySource) -> None:
    exported.bursar.pay(Payment("1", "10.00"))
    assert exported.codes({"balance": "0.00"}) == ["settled_twice"]
    assert exported.position() == ("TRANSFERRED", "0.00", "0.00")
    assert exported.export() == []


def test_a_fine_that_was_paid_there_is_cancelled_too_late(exported: LibrarySource) -> None:
    exported.bursar.pay(Payment("1", "6.00"))
    assert exported.codes({"status": "cancelled"}) == ["cancelled_late"]
    assert exported.entries()[2:] == [("CANCELLED", "0.00", "-4.00")]
    assert exported.export() == [("-4.00", "1")]


def test_a_payment_that_the_bursar_took_back_does_not_count(exported: LibrarySource) -> None:
    exported.bursar.pay(Payment("1", "10.00"))
    exported.bursar.pay(Payment("1", "-10.00"))
    assert exported.codes({"status": "cancelled"}) == []
    assert exported.export() == [("-10.00", "1")]


def test_a_cancelled_fine_of_a_bursar_who_does_not_report_asks_a_person(source: LibrarySource) -> None:
    source.load({})
    source.export(import_active=False)
    assert source.codes({"status": "cancelled"}) == ["cancelled_late"]
    assert source.export(import_active=False) == []


def test_a_part_that_was_paid_before_the_export_does_not_count_there(source: LibrarySource) -> None:
    source.load({"balance": "4.00"})
    assert source.export() == [("4.00", None)]
    assert source.codes({"status": "cancelled"}) == []
    assert source.export() == [("-4.00", "1")]


@pytest.mark.parametrize(
    ("column", "value"), [("owner_library", "MAIN"), ("fine_fee_type", "LOSTITEM"), ("created_at", "2024-06-01")]
)
def test_a_fixed_value_is_a_warning_once(exported: LibrarySource, column: str, value: str) -> None:
    assert exported.codes({column: value}) == ["fixed_value"]
    assert exported.codes({column: value}) == []


def test_a_payment_of_a_cancelled_fine_has_been_settled_at_the_library(exported: LibrarySource) -> None:
    exported.load({"status": "cancelled"})
    (outcome,) = exported.bursar.pay(Payment("1", "10.00"))
    assert (outcome.outcome, outcome.credited) == ("ALREADY_SETTLED", None)


@pytest.mark.parametrize("closed", [True, False])
def test_a_refund_during_an_export_waits_for_its_end(source: LibrarySource, *, closed: bool) -> None:
    source.load({"balance": "4.00"})
    batch = source.select()
    assert source.codes({"balance": "10.00"}) == ["in_unfinished_batch"]
    source.close(batch) if closed else source.release(batch)
    assert source.codes() == (["came_back"] if closed else [])
    assert source.position() == (("CLOSED", "0.00", "4.00") if closed else ("ACTIVE", "10.00", "0.00"))
    assert source.export() == ([] if closed else [("10.00", None)])


def test_a_payment_of_a_part_that_was_settled_at_the_library_is_not_paid_twice(exported: LibrarySource) -> None:
    exported.load({"balance": "4.00"})
    (outcome,) = exported.bursar.pay(Payment("1", "4.00"))
    assert outcome.outcome == "PAID"
    assert exported.position() == ("TRANSFERRED", "0.00", "0.00")
    assert exported.export() == [("-6.00", "1")]
