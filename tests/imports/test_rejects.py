"""The rejects report: every record without effect with its line and reason, without formulas for spreadsheets."""

import csv
from io import StringIO
from pathlib import Path

import pytest

from bursar.escaping import escape_formula
from bursar.imports.rejects import COLUMNS, save_rejects, write_rejects
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.payment_inbox import PaymentInbox


def read_report(inbox: PaymentInbox, file: int) -> list[dict[str, str]]:
    out = StringIO(newline="")
    with inbox.library.ledger.connect() as connection:
        count = write_rejects(connection, file, out)
    rows = list(csv.DictReader(StringIO(out.getvalue(), newline="")))
    assert len(rows) == count
    return rows


def test_each_record_without_effect_is_listed_with_its_line_and_reason(inbox: PaymentInbox, office: FakeBursar) -> None:
    _, paid = office.export_fine("10.00")
    file = office.add_file(
        Payment(paid, "10.00"),
        Payment(paid, "10.00"),
        Payment("unknown", "3"),
        Payment(None, "3", internal_id=None),
        Payment(paid, "3", "EUR"),
        Payment(paid, "0"),
        Payment(paid, "ten"),
    )
    office.apply(file)
    rows = read_report(inbox, file)
    assert tuple(rows[0]) == COLUMNS
    assert [(row["line"], row["record"], row["outcome"]) for row in rows] == [
        ("20", "2", "ALREADY_SETTLED"),
        ("30", "3", "UNMATCHED"),
        ("40", "4", "INVALID"),
        ("50", "5", "CURRENCY_MISMATCH"),
        ("60", "6", "NO_PAYMENT"),
        ("70", "7", "INVALID"),
    ]
    assert all(row["reason"] for row in rows)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("+SUM(A1)", "'+SUM(A1)"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-2+3", "'-2+3"),
        ("  =1", "  '=1"),
        ("\t=1", " '=1"),
        ("a;=1", "a;'=1"),
        ("\uff1d1", "'\uff1d1"),
        ("-3.25", "-3.25"),
        ("+12", "+12"),
        ("007", "007"),
        ("a\r\nb", "a  b"),
        (None, ""),
        (12, "12"),
    ],
)
def test_no_cell_is_read_as_a_formula(value: object, shown: str) -> None:
    assert escape_formula(value) == shown


def test_the_saved_report_opens_in_a_spreadsheet_and_a_repeated_task_writes_it_again(
    inbox: PaymentInbox, office: FakeBursar, tmp_path: Path
) -> None:
    file = office.add_file(Payment("Müller", "3"))
    office.apply(file)
    first, second = (save_rejects(inbox.library.ledger, file, tmp_path / "rejects") for _ in range(2))
    assert first == second
    assert first
    assert first.read_bytes().startswith(b"\xef\xbb\xbffile,line,")
    assert "Müller" in first.read_text(encoding="utf-8-sig")
    assert [path.name for path in first.parent.iterdir()] == [first.name]


def test_a_file_without_rejects_has_no_report(inbox: PaymentInbox, office: FakeBursar, tmp_path: Path) -> None:
    _, paid = office.export_fine("10.00")
    file = office.add_file(Payment(paid, "10.00"))
    office.apply(file)
    assert save_rejects(inbox.library.ledger, file, tmp_path) is None
    assert list(tmp_path.glob("*.csv")) == []
