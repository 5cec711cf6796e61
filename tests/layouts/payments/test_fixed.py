"""Fixed files of payments: positions, lengths, kinds of records, and the totals of control records."""

import pytest

from bursar.layouts.payments.records import PaymentRecord
from tests.support.payment_layouts import POSITIONS, SEMICOLONS, make_layout, read, refusal

CONTROLLED = """\
for: payments
kind: fixed
encoding: ascii
records:
  - {each: file, starts: "H", length: 40}
  - {each: payment, starts: "D", length: 40}
  - each: file
    starts: "T"
    length: 40
    count: {at: 2-9}
    sum: {at: 10-24, as: cents}
    hash: {of: identifier, at: 25-34}
fields:
  identifier: {at: 2-10}
  reference: {at: 11-20}
  sum: {at: 21-28, as: cents}
  currency: {is: USD}
"""


def line(transaction: str, cents: int, last: str = "P") -> bytes:
    return f"260301{transaction:6}{'':42}{cents:08}{last}".encode()


def controlled(trailer: str = "T000000030000000000013000000000009", *more: str) -> bytes:
    """Returns a file with three payments: 5.00, 10.00 and -2.00 of the users 1, 3 and 5."""
    rows = ["HLIB01", "D000000001123       00000500", "D000000003124       00001000", "D000000005125       -0000200"]
    return "\r\n".join(f"{row:40}" for row in [*rows, *more, trailer] if row).encode()


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("last", [b"", b"\n", b"\r\n\r\n", b"\x1a", b"\n\x1a", b"\0" * 600])
def test_positions_are_read_whatever_ends_the_lines(end: bytes, last: bytes) -> None:
    content = end.join([line("LIB001", 1250), line("LIB002", -300, ""), line("LIB003", 7)]) + last
    assert read(make_layout(POSITIONS), content) == [
        PaymentRecord(1, 1, "LIB001", currency="USD", sum="12.50", paid_on="2026-03-01"),
        PaymentRecord(2, 2, "LIB002", currency="USD", sum="-3.00", paid_on="2026-03-01"),
        PaymentRecord(3, 3, "LIB003", currency="USD", sum="0.07", paid_on="2026-03-01"),
    ]


@pytest.mark.parametrize("wrong", [line("LIB002", 1250)[:61], line("LIB002", 1250) + b"0"])
def test_a_line_of_another_length_is_a_problem(wrong: bytes) -> None:
    records = read(make_layout(POSITIONS), line("LIB001", 1250) + b"\n" + wrong)
    assert records[1].problem == f"the line has {len(wrong)} characters, and 62 to 63 are expected"
    assert records[1].sum is None


def test_the_last_position_may_be_the_end_of_the_line() -> None:
    layout = make_layout(
        "for: payments\nkind: fixed\nencoding: ascii\nfields:\n  sum: {at: 1-6, as: 0.00}\n"
        '  transaction_id: {at: "8-"}\n  currency: {is: USD}\n'
    )
    records = read(layout, b"  5.00 LIB000000501\n 15.00 L\n 15.00\n")
    assert [record.transaction_id for record in records] == ["LIB000000501", "L", None]
    assert records[2].problem == "the line has 6 characters, and at least 8 are expected"


def test_the_records_of_a_controlled_file_agree_with_its_totals() -> None:
    records = read(make_layout(CONTROLLED), controlled())
    assert [(record.line, record.identifier, record.reference, record.sum) for record in records] == [
        (2, "000000001", "123", "5.00"),
        (3, "000000003", "124", "10.00"),
        (4, "000000005", "125", "-2.00"),
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (controlled("T000000040000000000013000000000009"), "5: the file names a count of 4, and its payments have 3."),
        (
            controlled("T000000030000000000013010000000009"),
            "5: the file names a total of 13.01, and its payments have 13.00.",
        ),
        (
            controlled("T000000030000000000013000000000008"),
            "5: the file names a hash total of identifier of 8, and its",
        ),
        (controlled("T0000000X0000000000013000000000009"), "5: the total '0000000X' is no number."),
        (controlled("T00000003               0000000009"), "5: the total '' is not written as the layout says."),
        (controlled(""), "4: there is no record 'T': the file ends too early, as if the transfer was cut off."),
        (controlled()[:-30], "5: the record 'T' is damaged: the line has 10 characters, and 40 are expected."),
        (controlled() + b"\r\n" + controlled(), "10: a second 'T', as if several files had been joined."),
        (
            controlled().replace(b"00000500", b"0000050x"),
            "5: the payments have no total to compare: in line 2, sum (position 21-28) is '0000050x', and not a sum",
        ),
    ],
    ids=["count", "sum", "hash", "no number", "blank", "missing", "damaged", "joined", "no sum"],
)
def test_a_file_whose_totals_differ_is_rejected_as_a_whole(content: bytes, reason: str) -> None:
    assert refusal(make_layout(CONTROLLED), content).startswith(reason)


def test_a_bad_row_is_counted_with_the_others() -> None:
    content = controlled().replace(b"D000000003124", b"D         124")
    content = content.replace(b"13000000000009", b"13000000000006")
    records = read(make_layout(CONTROLLED), content)
    assert [record.problem for record in records] == [None, "there is no identifier", None]


def test_a_line_of_no_known_kind_is_a_record_with_a_problem() -> None:
    bad = read(
        make_layout(CONTROLLED), controlled("T000000030000000000013000000000009", "X000000005125       00000200")
    )[3]
    assert (bad.number, bad.line) == (4, 5)
    assert bad.problem == (
        "not recognised as a payment: the line starts with 'X000000005125       000…'. Expected: H, D, T"
    )


def test_delimited_files_have_control_records_too() -> None:
    records = """\

  - {each: payment}
  - each: file
    starts: TOTAL
    count: {column: 2}
    sum: {column: 3, as: "0,00"}
    hash: {of: transaction_id, column: 4, digits: 4}
"""
    layout = make_layout(SEMICOLONS, records=records)
    content = "TransactionID;Zahlungseingang;Zahlungsdatum\nLIB009501;5,00;01.02.2026\nLIB000502;0,00;01.02.2026\n"
    assert [record.sum for record in read(layout, (content + "TOTAL;2;5,00;0003").encode())] == ["5.00"]
    assert refusal(layout, (content + "TOTAL;1;5,00;0003").encode()).startswith("4: the file names a count of 1")
    assert refusal(layout, (content + "TOTAL;2;5,00").encode()).startswith("4: the record 'TOTAL' is damaged")
