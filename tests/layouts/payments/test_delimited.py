"""Delimited files of payments: columns, sums, signs, and rows that are not as the layout says."""

from decimal import Decimal

import pytest

from bursar.layouts.payments.records import PaymentRecord
from tests.support.payment_layouts import SEMICOLONS, make_layout, read, refusal

COMMAS = """\
for: payments
kind: delimited
encoding: utf-8
delimiter: ","
fields:
  transaction_id: {column: Reference}
  sum: {column: Paid, as: "%s"}
  currency: {column: Currency}
"""
HEADING = b"Reference,Paid,Currency\n"


def paid(text: str, picture: str = "0.00", **changes: object) -> tuple[str | None, str | None]:
    """Returns the sum that is read from a text, and the problem; another row is good."""
    content = HEADING + f"A,{text},USD\nB,{EXAMPLES[picture]},USD\n".encode()
    record = read(make_layout(COMMAS % picture, **changes), content)[0]
    return record.sum, record.problem


EXAMPLES = {
    "0.00": "12.50",
    "0,00": '"12,50"',
    "cents": "1250",
    "plain": "12.5",
    "0.00-": "12.50",
    "(0.00)": "12.50",
    "+0.00": "+12.50",
    "abs 0.00": "12.50",
    "0,00-": '"12,50"',
    "cents-": "1250",
}


def test_columns_are_found_by_their_names_in_any_order_and_case() -> None:
    content = (
        "Zahlungsdatum;Bemerkung; zahlungsEINGANG ;TransactionID\r\n"
        '01.02.2026;"Grüße; bis\r\nbald";12,50;LIB000501\r\n'
        "\r\n"
        "02.02.2026;;-3,00;LIB000502\r\n"
    ).encode("windows-1252")
    first, second = read(make_layout(SEMICOLONS), content)
    assert first._replace(payment_key=None) == PaymentRecord(
        1, 2, transaction_id="LIB000501", currency="CHF", sum="12.50", paid_on="2026-02-01"
    )
    assert (second.number, second.line, second.sum) == (2, 5, "-3.00")


def test_columns_have_numbers_without_a_heading() -> None:
    layout = make_layout(
        "for: payments\nkind: delimited\nencoding: ascii\ndelimiter: tab\nheading: no\nskip_lines: 2\n"
        "fields:\n  internal_id: {column: 3}\n  sum: {column: 1, as: plain}\n  currency: {is: USD}\n"
    )
    assert read(layout, b'Report "of\nMonday\n5.5\tx\t17\n6\ty\t18\n') == [
        PaymentRecord(1, 3, internal_id="17", currency="USD", sum="5.5"),
        PaymentRecord(2, 4, internal_id="18", currency="USD", sum="6"),
    ]


@pytest.mark.parametrize(
    ("picture", "text", "amount"),
    [
        ("0.00", "12.50", "12.50"),
        ("0.00", "-12.50", "-12.50"),
        ("0.00", "+000012.50", "12.50"),
        ("0.00", " 12.50 ", "12.50"),
        ("0,00", '"-0,05"', "-0.05"),
        ("cents", "5", "0.05"),
        ("cents", "-00001250", "-12.50"),
        ("plain", "12.5", "12.5"),
        ("plain", "-7", "-7"),
        ("0.00-", "12.50-", "-12.50"),
        ("0.00-", "12.50 ", "12.50"),
        ("0,00-", '"7,75-"', "-7.75"),
        ("cents-", "775-", "-7.75"),
        ("(0.00)", "(12.50)", "-12.50"),
        ("(0.00)", "12.50", "12.50"),
        ("+0.00", "+12.50", "12.50"),
        ("+0.00", "-12.50", "-12.50"),
        ("abs 0.00", "12.50", "12.50"),
    ],
)
def test_sums_are_read_as_the_picture_says(picture: str, text: str, amount: str) -> None:
    found, problem = paid(text, picture)
    assert problem is None
    assert found is not None
    assert Decimal(found) == Decimal(amount)
    assert "E" not in found


@pytest.mark.parametrize(
    ("picture", "text"),
    [
        ("0.00", "1250"),  # cents, or a whole sum?
        ("0.00", "12.5"),
        ("0.00", "12.505"),
        ("0.00", '"12,50"'),
        ("0.00", '"1,250.00"'),
        ("0.00", "000-7.25"),
        ("0.00", "12.50-"),
        ("0.00", "--12.50"),
        ("0.00", "1e1"),
        ("0.00", "NaN"),
        ("0.00", "\u0663.\u0665\u0660"),  # digits of another script
        ("0.00", "12.50 USD"),
        ("0,00", "12.50"),
        ("cents", "12.50"),
        ("plain", '"12,5"'),
        ("plain", "0" * 30),
        ("(0.00)", "(12.50"),
        ("(0.00)", "12.50)"),
        ("(0.00)", "-12.50"),
        ("+0.00", "12.50"),
        ("abs 0.00", "-12.50"),
    ],
)
def test_a_sum_that_is_written_otherwise_is_a_problem_and_no_sum(picture: str, text: str) -> None:
    found, problem = paid(text, picture)
    assert found is None
    assert problem is not None
    assert problem.startswith("sum (column Paid) is ")
    assert "and not a sum such as" in problem


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("A,,USD", "sum (column Paid) is blank"),
        (",12.50,USD", "there is no transaction_id"),
        ("A,12.50,", "currency (column Currency) is blank"),
        ("A,12.50,usd", "currency (column Currency) is 'usd', and not a currency such as USD"),
        ("A\u202e,12.50,USD", "transaction_id (column Reference) is 'A\\u202e', with a character that can't be shown"),
        (f"{'A' * 501},12.50,USD", "transaction_id (column Reference) has more than 500 characters"),
        ("A,12.50", "the row has 2 values, and 3 are expected: a value with the delimiter in it needs quotation marks"),
        (
            "A,12,50,USD",
            "the row has 4 values, and 3 are expected: a value with the delimiter in it needs quotation marks",
        ),
    ],
)
def test_a_row_that_is_not_as_the_layout_says_is_a_record_with_a_problem(row: str, problem: str) -> None:
    good, bad = read(make_layout(COMMAS % "0.00"), HEADING + f"B,12.50,USD\n{row}\n".encode())
    assert good.problem is None
    assert (bad.number, bad.line, bad.problem) == (2, 3, problem)


def test_a_value_that_does_not_match_the_expression_is_a_problem() -> None:
    content = b"TransactionID;Zahlungseingang;Zahlungsdatum\nLIB000501;1,00;01.02.2026\nLIB01;1,00;30.02.2026\n"
    bad = read(make_layout(SEMICOLONS), content)[1]
    assert bad.problem == "transaction_id (column TransactionID) is 'LIB01', which does not match LIB[0-9]{6}"
    assert (bad.transaction_id, bad.sum, bad.payment_key) == (None, "1.00", None)


@pytest.mark.parametrize(
    ("code", "sum_", "amount", "problem"),
    [
        ("D", "5.00", "5.00", None),
        ("C", "5.00", "-5.00", None),
        ("C", "-5.00", None, "the sum has a sign, and so has the row"),
        ("X", "5.00", None, "sign (column DC) is 'X', and the codes are D, C"),
        ("", "5.00", None, "sign (column DC) is blank"),
    ],
)
def test_a_sign_of_its_own_decides_or_the_sum_is_not_used(
    code: str, sum_: str, amount: str | None, problem: str | None
) -> None:
    layout = make_layout(
        (COMMAS % "0.00").replace("  currency", '  sign: {column: DC, codes: {D: "+", C: "-"}}\n  currency')
    )
    content = f"Reference,Paid,Currency,DC\nA,{sum_},USD,{code}\nB,1.00,USD,D\n".encode()
    record = read(layout, content)[0]
    assert (record.sum, record.problem) == (amount, problem)


def test_currencies_may_have_codes() -> None:
    layout = make_layout((COMMAS % "0.00").replace("{column: Currency}", "{column: Currency, codes: {1: USD, 2: CAD}}"))
    records = read(layout, HEADING + b"A,1.00,1\nB,1.00,2\nC,1.00,USD\n")
    assert [record.currency for record in records] == ["USD", "CAD", None]
    assert records[2].problem == "currency (column Currency) is 'USD', and the codes are 1, 2"


def test_cents_of_a_currency_without_hundredths_are_no_sum() -> None:
    records = read(make_layout(COMMAS % "cents"), HEADING + b"A,1250,USD\nB,1250,JPY\n")
    assert [record.sum for record in records] == ["12.50", None]
    assert records[1].problem == "the sum is in cents, and JPY has no hundredths"


@pytest.mark.parametrize(("ignored", "kept"), [("zero", "AC"), ("blank", "AB"), ("zero or blank", "A")])
def test_sums_that_mean_nothing_are_left_out(ignored: str, kept: str) -> None:
    layout = make_layout(COMMAS % "0.00", ignore=f"{{sum: {ignored}}}")
    records = read(layout, HEADING + b"A,1.00,USD\nB,0.00,USD\nC,,USD\n")
    assert "".join(record.transaction_id or "" for record in records) == kept
    assert [record.number for record in records] == list(range(1, len(kept) + 1))


def test_the_key_of_a_payment_depends_on_the_fields_that_the_layout_names_alone() -> None:
    layout = make_layout(SEMICOLONS)
    heading = "TransactionID;Zahlungseingang;Zahlungsdatum;Name\n"
    rows = [
        "LIB000501;5,00;01.02.2026;Ada",
        "LIB000501;05,00;01.02.2026;Bob",
        "LIB000501;5,01;01.02.2026;Ada",
        "LIB000502;5,00;01.02.2026;Ada",
        "LIB000501;5,00;02.02.2026;Ada",
        "LIB000501;5,00;;Ada",
    ]
    *records, blank = read(layout, (heading + "\n".join(rows)).encode())
    keys = [record.payment_key for record in records]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 4
    assert blank.problem == "paid_on is blank, and is needed to know whether an earlier file had this payment"


def test_quotation_marks_are_characters_if_the_layout_says_so() -> None:
    layout = make_layout(COMMAS % "0.00", quotes="never")
    assert read(layout, HEADING + b'5" pipe,1.00,USD\n')[0].transaction_id == '5" pipe'


@pytest.mark.parametrize(
    ("heading", "reason"),
    [
        (b"Reference,Sum,Currency", "1: the column 'Paid' is missing. Found: 'Reference', 'Sum', 'Currency'. Correct"),
        (
            b"Reference,Paid,paid,Currency",
            "1: the column 'Paid' is twice. Found: 'Reference', 'Paid', 'paid', 'Currency'.",
        ),
        (b"Reference;Paid;Currency", "The columns may be separated by semicolons."),
        (b"Reference\tPaid\tCurrency", "The columns may be separated by tabs."),
        (b"", ": the column 'Reference' is missing. Found: no heading."),
    ],
)
def test_a_file_whose_heading_is_not_that_of_the_layout_is_rejected(heading: bytes, reason: str) -> None:
    assert reason in refusal(make_layout(COMMAS % "0.00"), heading + b"\nA,1.00,USD\n"[: len(heading) + 1])


def test_a_file_with_a_heading_and_no_payment_has_no_records() -> None:
    assert read(make_layout(COMMAS % "0.00"), HEADING) == []


def test_a_file_without_a_single_payment_is_rejected_with_what_was_expected_and_found() -> None:
    assert refusal(make_layout(COMMAS % "0.00"), HEADING + b"A,12,USD\nB,13,USD\n") == (
        "1: no payment is recognised. Expected: transaction_id in column Reference, sum in column Paid, currency in "
        "column Currency. Found: 2 rows. Line 2: sum (column Paid) is '12', and not a sum such as 12.50. Ask the "
        "bursar for a file in the layout, or correct the layout."
    )
