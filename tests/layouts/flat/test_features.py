"""What a layout can say, each thing in a file of its own: the rows of a table of real layouts."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent, indent

import pytest
from sqlalchemy import Engine, text

from bursar.exports.build import build_file
from bursar.exports.selection import select_fines
from bursar.layouts.layout import Layout
from bursar.ledger import desk
from tests.support.fake_bursar import FakeBursar
from tests.support.fixtures import NOW, Library, make_settings
from tests.support.layouts import build_bytes, make_layout_profile

Write = Callable[[str], Layout]

LATE = datetime(2025, 11, 14, 3, 30, tzinfo=UTC)
"""The evening of the day before in New York."""


def add_fines(library: Library) -> None:
    """Adds a charge and a credit of Ada, and a charge of Bo."""
    ada = library.user("00000123", last="Müller, B.", first="Ada")
    library.fine(ada, "12.50", created=LATE, item=library.item(title="Moby Dick"))
    library.fine(ada, "-7.25", kind="CREDIT", owner=None, created=LATE)
    library.fine(library.user("00000234", last="Bo", first=""), "100", kind="LOSTITEMPROCESSFEE", owner="LAW")


def fine_line(*columns: str) -> str:
    """Returns the YAML of a record of each fine with the columns."""
    listed = indent("\n".join(f"- {{{column}}}" for column in columns), "      ")
    return f"records:\n  - each: fine\n    columns:\n{listed}\n"


CASES = {
    "vertical bar": ("delimiter: '|'", ('value: "{identifier}"', 'value: "{amount:0.00}"'), "00000123|12.50"),
    "semicolon": ("delimiter: semicolon", ('value: "{identifier}"', 'value: "{amount:0.00}"'), "00000123;12.50"),
    "tab": ("delimiter: tab", ('value: "{identifier}"', 'value: "{amount:0.00}"'), "00000123\t12.50"),
    "quotes needed": ("", ('value: "{patron_name}"', 'value: "{amount:0.00}"'), '"Müller, B., Ada",12.50'),
    "quotes all": ("quotes: all", ('value: "{fine_fee_type}"', "value:"), '"OVERDUEFINE",""'),
    "quotes never": ("quotes: never", ('value: "{fine_fee_type}"', 'value: "{amount:0.00}"'), "OVERDUEFINE,12.50"),
    "delimiter as a blank": (
        "quotes: never",
        ('value: "{patron_name}", delimiter: space', 'value: "x"'),
        "Müller  B.  Ada,x",
    ),
    "empty column": ("", ('value: "UTARL"', "value:", 'value: "{number}"'), "UTARL,,1"),
    "empty column as a blank": ("", ("value:, blank: space", 'value: "{number}"'), " ,1"),
    "zeros in front, delimited": ("", ('value: "{amount:abs 0.00}", most: 7, fill: "0"', "value: x"), "0012.50,x"),
    "blanks in front, delimited": ("", ('value: "{amount:0.00}", most: 8, align: right', "value: x"), "   12.50,x"),
    "blanks behind, delimited": ("", ('value: "{identifier}", most: 10, align: left', "value: x"), "00000123  ,x"),
    "cents": ("", ('value: "{amount:cents}"', "value: x"), "1250,x"),
    "decimal comma": ("delimiter: semicolon", ('value: "{amount:0,00}"', "value: x"), "12,50;x"),
    "as many decimals as needed": ("", ('value: "{amount:plain}"', "value: x"), "12.5,x"),
    "always a sign": ("", ('value: "{amount:+0.00}"', "value: x"), "+12.50,x"),
    "parentheses": ("", ('value: "{amount:(0.00)}"', "value: x"), "12.50,x"),
    "minus behind": ("", ('value: "{amount:0.00-}"', "value: x"), "12.50 ,x"),
    "last digits of an identifier": ("", ('value: "{identifier:last 4}"', "value: x"), "0123,x"),
    "without zeros": ("", ('value: "{identifier:without zeros}"', "value: x"), "123,x"),
    "several steps": ("", ('value: "{fine_fee_type:first 4 lower}"', "value: x"), "over,x"),
    "cut at the end": ("", ('value: "{fine_fee_type}", most: 4, cut: end', "value: x"), "OVER,x"),
    "cut at the start": ("", ('value: "{fine_fee_type}", most: 4, cut: start', "value: x"), "FINE,x"),
    "a day in the profile's zone": ("", ('value: "{last_transaction_on:%m/%d/%Y}"', "value: x"), "11/13/2025,x"),
    "every letter of a date": ("", ('value: "{last_transaction_on:%d.%m.%y %j}"', "value: x"), "13.11.25 317,x"),
    "the year first, with dots": ("", ('value: "{last_transaction_on:%Y.%m.%d}"', "value: x"), "2025.11.13,x"),
    "the day first, with slashes": ("", ('value: "{last_transaction_on:%d/%m/%y}"', "value: x"), "13/11/25,x"),
    "no due date": ("", ('value: "{item_due_on:%Y%m%d}"', "value: x"), ",x"),
    "direction and kind": ("", ('value: "{direction}/{kind}"', "value: x"), "charge/charge,x"),
    "braces": ("", ('value: "{{{currency}}}"', "value: x"), "{USD},x"),
    "the number of the batch in each line": (
        "",
        ('value: "{batch:0000}"', 'value: "{profile:lower}"'),
        "0001,students",
    ),
    "digits of a number": ("", ('value: "{number:0000}"', "value: x"), "0001,x"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_delimited_line(library: Library, write_layout: Write, tmp_path: Path, case: str) -> None:
    keys, columns, expected = CASES[case]
    add_fines(library)
    write_layout(f"kind: delimited\n{keys}\n{fine_line(*columns)}")
    assert build_bytes(library, tmp_path).decode().splitlines()[0] == expected


CREDITS = {
    "minus in front": ("{amount:0.00}", "-7.25"),
    "no sign": ("{amount:abs 0.00}", "7.25"),
    "always a sign": ("{amount:+cents}", "-725"),
    "minus behind": ("{amount:0.00-}", "7.25-"),
    "parentheses": ("{amount:(0.00)}", "(7.25)"),
    "as many decimals as needed": ("{amount:plain}", "-7.25"),
    "kind of a credit": ("{kind} {direction}", "credit credit"),
    "an institution's fine has no library": ("[{owner_library_code}]", "[]"),
}


@pytest.mark.parametrize("case", CREDITS)
def test_the_line_of_a_credit(library: Library, write_layout: Write, tmp_path: Path, case: str) -> None:
    template, expected = CREDITS[case]
    add_fines(library)
    write_layout("kind: delimited\n" + fine_line(f'value: "{template}"', "value: x"))
    assert build_bytes(library, tmp_path).decode().splitlines()[1] == f"{expected},x"


INDICATORS = {
    "{charge: N, credit: Y}": "N12.50 Y7.25 N100.00",
    "{charge: D, credit: C}": "D12.50 C7.25 D100.00",
    '{charge: "+", credit: "-"}': "+12.50 -7.25 +100.00",
    '{charge: "1", credit: "3"}': "112.50 37.25 1100.00",
    '{charge: , credit: "-"}': "12.50 -7.25 100.00",
}


@pytest.mark.parametrize("codes", INDICATORS)
def test_the_sign_of_an_amount_has_a_column_of_its_own(
    library: Library, write_layout: Write, tmp_path: Path, codes: str
) -> None:
    add_fines(library)
    columns = ('at: 1, value: "{sign}"', 'at: 3-12, value: "{amount:abs 0.00}", align: right')
    write_layout(
        f"kind: fixed\nencoding: ascii\nvalues: {{sign: {{of: direction, codes: {codes}}}}}\n{fine_line(*columns)}"
    )
    lines = build_bytes(library, tmp_path).decode().splitlines()
    assert [len(line) for line in lines] == [12] * 3
    assert " ".join(line.replace(" ", "") for line in lines) == INDICATORS[codes]


def test_charges_and_credits_have_columns_of_their_own(library: Library, write_layout: Write, tmp_path: Path) -> None:
    add_fines(library)
    write_layout(
        """
        kind: fixed
        encoding: ascii
        values:
          debit: {of: direction, codes: {charge: "{amount:abs cents}", credit: }}
          credit: {of: direction, codes: {charge: , credit: "{amount:abs cents}"}}
        records:
          - each: fine
            length: 19
            columns: [{at: 1-8, value: "{debit}", align: right}, {at: 10-17, value: "{credit}", fill: "0"}]
        """
    )
    assert build_bytes(library, tmp_path).decode().splitlines() == [
        "    1250 00000000  ",
        "         00000725  ",
        "   10000 00000000  ",
    ]


FIXED = {
    "blanks behind a text": ('at: 1-12, value: "{fine_fee_type:first 4}"', "CRED        "),
    "blanks in front": ('at: 1-12, value: "{amount:0.00}", align: right', "       -7.25"),
    "zeros behind the sign": ('at: 1-12, value: "{amount:0.00}", fill: "0"', "-00000007.25"),
    "zeros behind a plus": ('at: 1-12, value: "{amount:+0.00}", fill: "0"', "-00000007.25"),
    "zeros before a minus behind": ('at: 1-12, value: "{amount:0.00-}", fill: "0"', "00000007.25-"),
    "zeros in parentheses": ('at: 1-12, value: "{amount:(0.00)}", fill: "0"', "(0000007.25)"),
    "another character": ('at: 1-12, value: "{number}", fill: "*", align: right', "***********2"),
    "cut": ('at: 1-12, value: "Patron: {identifier}", cut: start', "on: 00000123"),
}


@pytest.mark.parametrize("case", FIXED)
def test_a_fixed_column(library: Library, write_layout: Write, tmp_path: Path, case: str) -> None:
    column, expected = FIXED[case]
    add_fines(library)
    write_layout(f"kind: fixed\nencoding: iso-8859-1\n{fine_line(column, 'at: 14-15, value: AB')}")
    line = build_bytes(library, tmp_path).decode("latin-1").splitlines()[1]
    assert line == f"{expected} AB"


def test_the_last_column_is_as_long_as_it_is(library: Library, write_layout: Write, tmp_path: Path) -> None:
    add_fines(library)
    write_layout("kind: fixed\nencoding: ascii\n" + fine_line("at: 1-2, value: A", 'at: "4-", value: "{kind}"'))
    assert build_bytes(library, tmp_path) == b"A  charge\nA  credit\nA  charge\n"


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("line_end: lf", b"a\na\na\n"),
        ("line_end: crlf", b"a\r\na\r\na\r\n"),
        ("line_end: cr", b"a\ra\ra\r"),
        ("last_line_end: no", b"a\na\na"),
        ("{line_end: crlf, last_line_end: no}", b"a\r\na\r\na"),
    ],
)
def test_line_ends(library: Library, write_layout: Write, tmp_path: Path, keys: str, expected: bytes) -> None:
    add_fines(library)
    keys = keys.strip("{}").replace(", ", "\n")
    write_layout(f"kind: delimited\n{keys}\n{fine_line('value: a')}")
    assert build_bytes(library, tmp_path) == expected


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("encoding: utf-8", "Müller, B., Ada".encode()),
        ("encoding: iso-8859-1", "Müller, B., Ada".encode("latin-1")),
        ("encoding: iso-8859-15", "Müller, B., Ada".encode("iso-8859-15")),
        ("encoding: windows-1252", "Müller, B., Ada".encode("cp1252")),
        ("encoding: ascii\ncharacters: ascii", b"Muller, B., Ada"),
    ],
)
def test_encodings(library: Library, write_layout: Write, tmp_path: Path, keys: str, expected: bytes) -> None:
    add_fines(library)
    write_layout(f"kind: delimited\n{keys}\n" + fine_line('value: "{patron_name}"', "value: x"))
    assert build_bytes(library, tmp_path).splitlines()[0] == b'"' + expected + b'",x'


def test_every_script_becomes_ascii(library: Library, write_layout: Write, tmp_path: Path) -> None:
    names = {"Straße": "Strasse", "Łukasz": "Lukasz", "Толстой": "Tolstoy", "图书": "TuShu", "日本": "RiBen"}
    for name in names:
        library.fine(library.user(last=name, first=""), "1.00")
    write_layout("kind: delimited\nencoding: ascii\ncharacters: ascii\n" + fine_line('value: "{patron_name}"'))
    assert build_bytes(library, tmp_path).decode().splitlines() == list(names.values())


def test_a_heading_has_the_names_of_the_columns(library: Library, write_layout: Write, tmp_path: Path) -> None:
    add_fines(library)
    columns = ('name: ID, value: "{identifier}"', 'name: "Amount, USD", value: "{amount:0.00}"')
    write_layout("kind: delimited\nheading: yes\n" + fine_line(*columns))
    assert build_bytes(library, tmp_path).decode().splitlines()[:2] == ['ID,"Amount, USD"', "00000123,12.50"]


def test_codes_by_several_values_take_the_first_key_that_fits(
    library: Library, write_layout: Write, tmp_path: Path
) -> None:
    add_fines(library)
    write_layout(
        """
        kind: delimited
        values:
          account:
            of: [owner_library_code, fine_fee_type]
            codes: {LAW/*: LAWX, "*/OVERDUEFINE": OVER, /CREDIT: "{account_of_credits}", LAW/LOSTITEMPROCESSFEE: never}
          account_of_credits: {of: direction, codes: {credit: CR}}
          debit: {of: direction, codes: {charge: "{amount:0.00}", "*": }}
        records:
          - each: fine
            columns: [{value: "{account}"}, {value: "{debit}"}]
        """
    )
    assert build_bytes(library, tmp_path).decode() == "OVER,12.50\nCR,\nLAWX,100.00\n"


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ('{"01-01": "{year}10", "08-16": "{year}30"}', "202530"),
        ('{"11-13": "A{yy}", "11-14": "B{yy}"}', "A25"),
        ('{"11-14": "F{year}", "12-01": "G{year}"}', "G2024"),
        ('{"08-16": "{year+1}-{yy-30}"}', "2026-95"),
        ('{"2025-11-01": "{year-1743}", "2025-11-14": "late"}', "282"),
    ],
)
def test_the_term_of_a_day(library: Library, write_layout: Write, tmp_path: Path, terms: str, expected: str) -> None:
    add_fines(library)
    values = f"values:\n  term: {{day: last_transaction_on, terms: {terms}}}\n"
    write_layout(f"kind: delimited\n{values}" + fine_line('value: "{term}"', "value: x"))
    assert build_bytes(library, tmp_path).decode().splitlines()[0] == f"{expected},x"


def test_a_term_begins_with_the_digit_of_its_library(library: Library, write_layout: Write, tmp_path: Path) -> None:
    """The digit may stand before the term in the column, or in a code that has constants for other libraries."""
    add_fines(library)
    write_layout(
        """
        kind: delimited
        values:
          campus: {of: owner_library_code, codes: {MAIN: "1", LAW: "4"}, else: "2"}
          term: {day: last_transaction_on, terms: {"01-01": "{year}1", "05-16": "{year}5", "08-16": "{year}8"}}
          of_students: {of: owner_library_code, codes: {LAW: ARTERM, "*": "{campus}{term}"}}
        records: [{each: fine, columns: [{value: "{campus}{term}"}, {value: "{of_students}"}]}]
        """
    )
    assert build_bytes(library, tmp_path).decode() == "120258,120258\n220258,220258\n420258,ARTERM\n"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("next_day_of_month: 25, plus_months: 1", "12/25/2025"),
        ("next_day_of_month: 13, plus_months: 1", "12/13/2025"),
        ("next_day_of_month: 12, plus_months: 1", "01/12/2026"),
        ("next_day_of_month: 1", "12/01/2025"),
        ("plus_months: 3", "02/13/2026"),
        ("plus_days: 30", "12/13/2025"),
        ("next_day_of_month: 28, plus_months: 3, plus_days: 1", "03/01/2026"),
    ],
)
@pytest.mark.parametrize("day", ["last_transaction_on", "exported_on"])
def test_a_due_day_follows_from_another_day(
    library: Library, owned_ledger: Engine, write_layout: Write, tmp_path: Path, rule: str, expected: str, day: str
) -> None:
    library.fine(created=LATE)
    values = f"values:\n  due: {{due: {{of: {day}, {rule}}}}}\n"
    write_layout(f"kind: delimited\n{values}" + fine_line('value: "{due:%m/%d/%Y}"', "value: x"))
    batch = select_fines(library.ledger, make_layout_profile(), make_settings(), run_id="1", as_of=NOW)
    with owned_ledger.begin() as connection:
        connection.execute(text("UPDATE batches SET selected_at = :moment"), {"moment": LATE})
    assert build_file(library.ledger, batch.id, tmp_path).path.read_bytes() == f"{expected},x\n".encode()


def test_a_due_day_of_a_day_that_a_fine_lacks_is_empty(library: Library, write_layout: Write, tmp_path: Path) -> None:
    library.fine()
    values = "values:\n  due: {due: {of: item_due_on, plus_days: 1}}\n"
    write_layout(f"kind: delimited\n{values}" + fine_line('value: "{due:%m/%d/%Y}"', "value: x"))
    assert build_bytes(library, tmp_path) == b",x\n"


def test_a_reversal_keeps_the_term_of_its_charge(
    office: FakeBursar, owned_ledger: Engine, write_layout: Write, tmp_path: Path
) -> None:
    charge, transaction = office.export_fine("12.50")
    with owned_ledger.begin() as connection:
        connection.execute(text("UPDATE batches SET selected_at = '2025-07-01 12:00+00'"))
    with office.library.ledger.begin() as connection:
        desk.reverse_charge(connection, charge)
    values = 'values:\n  term: {day: charged_on, terms: {"01-01": "S{yy}", "07-01": "F{yy}"}}\n'
    columns = ('value: "{term}"', 'value: "{kind}"', 'value: "{reversed_transaction_id}"')
    write_layout(f"kind: delimited\n{values}" + fine_line(*columns))
    assert build_bytes(office.library, tmp_path).decode() == f"F25,reversal,{transaction}\n"


def test_records_of_the_user_surround_those_of_the_fines(library: Library, write_layout: Write, tmp_path: Path) -> None:
    add_fines(library)
    write_layout(
        """
        kind: delimited
        delimiter: semicolon
        records:
          - {each: file, columns: [{value: "lines: {records}"}, {value: "users: {users}"}]}
          - {each: user, columns: [{value: "{identifier}"}, {value: "fines: {fines}"}]}
          - {each: fine, columns: [{value: "D"}, {value: "{amount:abs 0.00}"}]}
          - {each: fine, columns: [{value: "C"}, {value: "{amount:abs 0.00}"}]}
          - {each: user, columns: [{value: "total"}, {value: "{sum:0.00}"}]}
          - {each: file, columns: [{value: "{charges:0.00}"}, {value: "{credits:0.00}"}, {value: "{sum:0.00}"}]}
        """
    )
    assert build_bytes(library, tmp_path).decode() == dedent(
        """\
        lines: 10;users: 2
        00000123;fines: 2
        D;12.50
        C;12.50
        D;7.25
        C;7.25
        total;5.25
        00000234;fines: 1
        D;100.00
        C;100.00
        total;100.00
        112.50;-7.25;105.25
        """
    )


def test_the_hash_of_a_file_of_users_counts_each_user_once(
    library: Library, write_layout: Write, tmp_path: Path
) -> None:
    add_fines(library)
    write_layout(
        """
        kind: delimited
        records:
          - {each: user, columns: [{value: "{identifier}"}, {value: "{hash.identifier:3}"}]}
          - {each: file, columns: [{value: "{hash.identifier:5}"}, {value: "{min.last_transaction_on:%Y%m%d}"}]}
        """
    )
    assert build_bytes(library, tmp_path).decode() == "00000123,246\n00000234,234\n00357,20251113\n"


def test_the_lines_of_a_user_are_together_in_the_order_of_their_numbers(
    library: Library, write_layout: Write, tmp_path: Path
) -> None:
    first, second = library.user("00000009"), library.user("00000001")
    for user, amount in ((second, "1.00"), (first, "2.00"), (second, "-3.00"), (first, "4.00")):
        library.fine(user, amount)
    write_layout(
        "kind: delimited\n" + fine_line('value: "{identifier}"', 'value: "{number}"', 'value: "{amount:0.00}"')
    )
    assert build_bytes(library, tmp_path).decode().splitlines() == [
        "00000009,1,2.00",
        "00000009,2,4.00",
        "00000001,3,1.00",
        "00000001,4,-3.00",
    ]
