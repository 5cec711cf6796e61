"""Payment layouts that are not valid: each problem has its line, its field, and what to write instead."""

import pytest

from tests.support.payment_layouts import POSITIONS, SEMICOLONS, make_layout, validate_layout

FIELDS = "fields:\n  transaction_id: {at: 1-6}\n  sum: {at: 7-12, as: cents}\n  currency: {is: USD}\n"
FIXED = "for: payments\nkind: fixed\nencoding: ascii\n"


@pytest.mark.parametrize("text", [SEMICOLONS, POSITIONS])
def test_the_examples_are_valid(text: str) -> None:
    assert make_layout(text).fields.sum


@pytest.mark.parametrize(
    ("text", "line", "field", "message"),
    [
        (SEMICOLONS.replace("payments", "export"), 1, "for", "'export' is not known here: write one of payments"),
        (SEMICOLONS.replace("  sum:", "  summ:"), 7, "fields.summ", "unknown key: did you mean sum?"),
        (SEMICOLONS.replace('delimiter: ";"\n', ""), 1, "delimiter", "is missing: write the sign between two values"),
        (SEMICOLONS.replace('as: "0,00"', 'as: "0.000"'), 7, "fields.sum.as", "'0.000' is no picture of money"),
        (SEMICOLONS.replace("%d.%m.%Y", "DD.MM.YYYY"), 9, "fields.paid_on.as", "is no picture of a date"),
        (SEMICOLONS.replace("[0-9]{6}", "[0-9"), 6, "fields.transaction_id.matches", "is no regular expression:"),
        (SEMICOLONS.replace("windows-1252", "ebcdic"), 3, "encoding", "is not known here"),
        (SEMICOLONS.replace("windows-1252", "[]"), 3, "encoding", "write an encoding, as in utf-8"),
        (
            SEMICOLONS + "heading: no\n",
            6,
            "fields.transaction_id.column",
            "and without a heading columns have no names",
        ),
        (SEMICOLONS.replace("{is: CHF}", "{at: 1-3}"), 8, "fields.currency", "is in a delimited file: write its place"),
        (SEMICOLONS.replace("{is: CHF}", "{is: CHF, column: C}"), 8, "fields.currency.is", "needs no place in the row"),
        (SEMICOLONS.replace("sum]", "identifier]"), 10, "payment_is", "identifier is no field of the rows"),
        (SEMICOLONS + "allocate: oldest_first\n", 12, "allocate", "name the field identifier alone"),
        (SEMICOLONS + "records: [{each: payment, length: 5}]\n", 12, "records.length", "belongs to fixed files"),
        (
            SEMICOLONS.replace("  transaction_id", "  reference").replace("[transaction_id, paid_on, sum]", "sum"),
            5,
            "fields.transaction_id",
            "no row would find a fine: name transaction_id, internal_id, or identifier with reference",
        ),
        (
            SEMICOLONS.replace("  transaction_id", "  identifier").replace("[transaction_id, paid_on, sum]", "sum"),
            6,
            "fields.identifier",
            "finds a fine only with a reference: name reference, or write allocate: oldest_first",
        ),
        (
            SEMICOLONS.replace('as: "0,00"', 'as: "0,00-"').replace(
                "  currency", "  sign: {column: DC, codes: {D: +}}\n  currency"
            ),
            7,
            "fields.sum.as",
            "the sum has a sign of its own",
        ),
        (
            SEMICOLONS.replace("  currency", "  sign: {column: DC, codes: {D: debit}}\n  currency"),
            8,
            "fields.sign.codes.D",
            "'debit' is not known here: write one of +, -",
        ),
        (POSITIONS.replace("ascii", "utf-8"), 3, "encoding", "positions are those of bytes"),
        (POSITIONS + 'delimiter: ";"\n', 11, "delimiter", "belongs to delimited files"),
        (
            POSITIONS.replace("{at: 7-12}", "{column: 7}"),
            8,
            "fields.transaction_id",
            "is in a fixed file: write its place",
        ),
        (POSITIONS.replace("7-12", "12-7"), 8, "fields.transaction_id.at", "'12-7' is no position in a line"),
        (
            POSITIONS.replace("55-62", "55-63"),
            5,
            "records.length",
            "sum ends at position 63, and a line may have only 62",
        ),
        (POSITIONS.replace("shorter: 1", "shorter: 63"), 5, "records.may_be_shorter", "must be less than the length"),
        (POSITIONS.replace("USD", "JPY"), 9, "fields.sum.as", "JPY has no hundredths: write plain"),
        (FIXED + "records: [{each: file, starts: H}]\n" + FIELDS, 4, "records", "there are no payments: add a record"),
        (
            FIXED + "records: [{each: file}, {each: payment, starts: D}]\n" + FIELDS,
            4,
            "records",
            "is missing: write the",
        ),
        (FIXED + "records: [{each: payment}, {each: payment}]\n" + FIELDS, 4, "records", "is missing: write the"),
        (
            FIXED + "records: [{each: file, starts: D1}, {each: payment, starts: D}]\n" + FIELDS,
            4,
            "records.starts",
            "'D' and 'D1' of record 1 start the same line: write more characters",
        ),
        (
            FIXED + "records: [{each: payment, count: {at: 2-9}}]\n" + FIELDS,
            4,
            "records.count",
            "belongs to the whole file: put it into a record with each: file",
        ),
        (
            FIXED
            + "records: [{each: payment}, {each: file, starts: T, sum: {at: 2-9, as: cents}}]\n"
            + FIELDS.replace("{is: USD}", "{at: 13-15}"),
            4,
            "records.sum",
            "a total of several currencies says nothing",
        ),
        (
            FIXED + "records: [{each: payment}, {each: file, starts: T, hash: {of: reference, at: 2-9}}]\n" + FIELDS,
            4,
            "records.hash.of",
            "reference is no field of the rows",
        ),
    ],
)
def test_a_wrong_layout_has_a_problem_with_line_and_remedy(text: str, line: int, field: str, message: str) -> None:
    layout, problems = validate_layout(text)
    assert layout is None
    found = [(problem.line, problem.field) for problem in problems]
    assert (line, field) in found, "\n".join(map(str, problems))
    assert any(message in problem.message for problem in problems), "\n".join(map(str, problems))
