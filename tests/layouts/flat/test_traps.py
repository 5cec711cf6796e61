"""Traps of flat files, each with the mistake that it would make: lines that vanish, cut texts, shifted columns."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, text

from bursar.errors import BatchError
from bursar.exports.build import build_file
from bursar.exports.close import close_fines
from bursar.exports.selection import select_fines
from bursar.layouts.files import get_check
from bursar.layouts.flat.queries import Lines, select_body
from bursar.layouts.flat.render import make_batch_values
from bursar.layouts.flat.sql import Bindings
from bursar.layouts.layout import Layout
from bursar.ledger import desk
from bursar.ledger.batches import Batch
from tests.support.fixtures import NOW, Library, make_settings, record_delivery
from tests.support.layouts import build_bytes, make_layout_profile

Write = Callable[[str], Layout]
FIXED = "kind: fixed\nencoding: ascii\n"


def select_batch(library: Library) -> Batch:
    return select_fines(library.ledger, make_layout_profile(), make_settings(), run_id="1", as_of=NOW)


@pytest.mark.parametrize(
    "column", ['value: "{what}"', 'value: "x{what}y", most: 9', 'value: "{what:upper}", cut: end, most: 2']
)
def test_a_missing_code_never_makes_an_empty_line(
    library: Library, write_layout: Write, tmp_path: Path, column: str
) -> None:
    library.fine(kind="OVERDUEFINE")
    library.fine(kind="CREDIT", amount="-1.00")
    values = "values: {what: {of: fine_fee_type, codes: {OVERDUEFINE: A}}}"
    write_layout(f"kind: delimited\n{values}\nrecords: [{{each: fine, columns: [{{{column}}}, {{value: z}}]}}]")
    assert len(build_bytes(library, tmp_path).splitlines()) == 1


def test_every_value_that_can_be_missing_leaves_the_line_whole(
    library: Library, write_layout: Write, tmp_path: Path
) -> None:
    library.fine(owner=None, item=None)
    names = ["comment", "owner_library_code", "owner_library_id", "item_title", "item_call_number", "item_library"]
    names += ["item_location", "item_barcode", "reversed_transaction_id"]
    columns = [f'{{value: "{{{name}}}"}}' for name in names]
    columns += ['{value: "{item_due_on:%Y%m%d}"}', '{value: "{vat:0.00}"}', "{value: end}"]
    write_layout(f"kind: delimited\nrecords: [{{each: fine, columns: [{', '.join(columns)}]}}]")
    assert build_bytes(library, tmp_path) == b"," * (len(columns) - 1) + b"end\n"


def test_a_number_with_more_digits_than_its_picture_is_never_cut(
    library: Library, write_layout: Write, tmp_path: Path
) -> None:
    """`lpad` would make 10 of 100, and `to_char` would make #."""
    user = library.user()
    for amount in ("1234567890.12", *["1.00"] * 10):
        library.fine(user, amount)
    columns = '{value: "{number:0}"}, {value: "{amount:0.00}", most: 13, fill: "0"}, {value: "{batch:0}"}'
    trailer = '{each: file, columns: [{value: "{fines:0}"}, {value: "{sum:cents}"}]}'
    write_layout(f"kind: delimited\nrecords: [{{each: fine, columns: [{columns}]}}, {trailer}]")
    settings = make_settings(export_number_start=123)
    batch = select_fines(library.ledger, make_layout_profile(), settings, run_id="1", as_of=NOW)
    lines = build_file(library.ledger, batch.id, tmp_path).path.read_text(encoding="ascii").splitlines()
    assert [lines[0], *lines[-3:]] == [
        "1,1234567890.12,123",
        "10,0000000001.00,123",
        "11,0000000001.00,123",
        "11,123456790012",
    ]


def test_line_breaks_tabs_and_control_characters_in_texts_become_blanks(
    library: Library, write_layout: Write, tmp_path: Path
) -> None:
    title = "One\r\nTwo\tThree\x01Four\x7fFive\u0085Six\u2028Seven"
    library.fine(item=library.item(title=title))
    write_layout('kind: delimited\nrecords: [{each: fine, columns: [{value: "{item_title}"}, {value: x}]}]')
    assert build_bytes(library, tmp_path).decode() == "One  Two Three Four Five Six Seven,x\n"


def test_a_letter_of_two_bytes_does_not_shift_the_columns_behind_it(
    library: Library, write_layout: Write, tmp_path: Path
) -> None:
    library.fine(library.user(last="Søren", first=""))
    columns = '{at: 1-10, value: "{patron_name}"}, {at: 11, value: "|"}'
    write_layout(f"kind: fixed\nencoding: iso-8859-1\nrecords: [{{each: fine, columns: [{columns}]}}]")
    assert build_bytes(library, tmp_path) == "Søren     |\n".encode("latin-1")


def test_texts_of_a_layout_and_of_a_fine_are_never_sql(library: Library, write_layout: Write, tmp_path: Path) -> None:
    library.fine(library.user(last="'; DROP TABLE fines; --", first=""), kind="a'b\\c:x")
    write_layout(
        """
        kind: delimited
        quotes: all
        values:
          drop: {of: fine_fee_type, codes: {"a'b\\\\c:x": "':p1 %s {amount:0.00} \\\\ $$"}}
        records:
          - each: fine
            columns: [{value: "{patron_name}"}, {value: "{drop}", fill: "'", most: 30}, {value: "50 % :p0"}]
        """
    )
    assert build_bytes(library, tmp_path).decode() == (
        "\"'; DROP TABLE fines; --\",\"':p1 %s 12.50 \\ $$''''''''''''\",\"50 % :p0\"\n"
    )


def test_a_value_of_the_layout_may_have_any_name(library: Library, write_layout: Write, tmp_path: Path) -> None:
    library.fine()
    names = ("reversal", "user_id", "first", "select", "line", "one", "text_0_0", "batch_id")
    values = ", ".join(f"{name}: {{of: kind, codes: {{charge: {name[:3]}}}}}" for name in names)
    columns = ", ".join(f'{{value: "{{{name}}}"}}' for name in names)
    users = '{each: user, columns: [{value: "{fines}"}]}'
    write_layout(f"kind: delimited\nvalues: {{{values}}}\nrecords: [{users}, {{each: fine, columns: [{columns}]}}]")
    assert build_bytes(library, tmp_path).decode() == "1\n" + ",".join(name[:3] for name in names) + "\n"


def test_the_term_is_that_of_the_export_in_the_profiles_zone(
    library: Library, owned_ledger: Engine, write_layout: Write, tmp_path: Path
) -> None:
    library.fine()
    values = 'values: {term: {day: exported_on, terms: {"01-01": "{year}10", "08-16": "{year}30"}}}'
    columns = '{value: "{term}"}, {value: "{exported_on:%Y-%m-%d}"}, {value: "{exported_at:%H:%M}"}'
    write_layout(f"kind: delimited\n{values}\nrecords: [{{each: fine, columns: [{columns}]}}]")
    batch = select_batch(library)
    with owned_ledger.begin() as connection:
        connection.execute(text("UPDATE batches SET selected_at = '2025-08-16 03:59+00'"))
    assert build_file(library.ledger, batch.id, tmp_path).path.read_bytes() == b"202510,2025-08-15,23:59\n"


def test_codes_of_codes_are_computed_once(library: Library, write_layout: Write, tmp_path: Path) -> None:
    """Each of 12 codes has the one before it twice: written into each other, they would be 4,096."""
    library.fine()
    values = {"c0": '{of: fine_fee_type, codes: {OVERDUEFINE: "A"}}'}
    for number in range(1, 13):
        values[f"c{number}"] = f'{{of: c{number - 1}, codes: {{B: C, "*": "{{c{number - 1}}}"}}}}'
    listed = "\n".join(f"  {name}: {value}" for name, value in values.items())
    columns = '{value: "{c12}"}, {value: x}'
    layout = write_layout(f"kind: delimited\nvalues:\n{listed}\nrecords: [{{each: fine, columns: [{columns}]}}]")
    assert build_bytes(library, tmp_path) == b"A,x\n"
    batch = make_batch_values(1, "STUDENTS", NOW, "UTC")
    lines = Lines("batch_lines", Bindings(), layout, batch, "UTC", {})
    with library.ledger.connect() as connection:
        plan = connection.execute(lines.bindings.bind(f"EXPLAIN (VERBOSE) {select_body(lines)}")).scalars().all()
    assert sum(line.count("CASE") for line in plan) < 60


def test_users_whose_fines_and_credits_are_equal_or_less_have_lines(
    library: Library, write_layout: Write, tmp_path: Path
) -> None:
    for amounts in (("5.00", "-5.00"), ("2.00", "-3.50"), ("-1.00",)):
        user = library.user()
        for amount in amounts:
            library.fine(user, amount)
    columns = '{value: "{identifier}"}, {value: "{fines}"}, {value: "{sum:0.00}", most: 7, fill: "0"}'
    trailer = '{each: file, columns: [{value: "{users}"}, {value: "{fines}"}, {value: "{sum:+cents}"}]}'
    write_layout(f"kind: delimited\nrecords: [{{each: user, columns: [{columns}]}}, {trailer}]")
    assert build_bytes(library, tmp_path).decode().splitlines() == [
        "00000001,2,0000.00",
        "00000002,2,-001.50",
        "00000003,1,-001.00",
        "3,5,-250",
    ]


def test_the_amount_in_the_file_is_the_amount_that_is_transferred(
    library: Library, write_layout: Write, tmp_path: Path
) -> None:
    """A part that was paid before, at the desk, is in neither of them."""
    fine = library.fine(amount="20.00")
    with library.ledger.begin() as connection:
        desk.pay(connection, fine, Decimal("7.50"))
    write_layout('kind: delimited\nrecords: [{each: fine, columns: [{value: "{amount:0.00}"}, {value: x}]}]')
    batch = select_batch(library)
    assert build_file(library.ledger, batch.id, tmp_path).path.read_bytes() == b"12.50,x\n"
    record_delivery(library.ledger, batch.id)
    close_fines(library.ledger, batch.id)
    assert library.position(fine)[2] == Decimal("12.50")
    transferred = "SELECT balance_change FROM journal_entries WHERE fine_id = :fine AND batch_id = :batch"
    assert library.one(transferred, fine=fine, batch=batch.id) == Decimal("-12.50")


def test_lines_of_users_are_joined_without_a_loop_over_all_of_them(
    library: Library, write_layout: Write, tmp_path: Path
) -> None:
    """`enable_sort = off`, which suits plain lines, would make PostgreSQL look through all users for each fine."""
    library.fine()
    settings = []
    event.listen(
        library.ledger,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, *_: settings.append(statement),
    )
    users = '{each: user, columns: [{value: "{sum:0.00}"}]}'
    write_layout(f"kind: delimited\nrecords: [{users}, {{each: fine, columns: [{{value: x}}]}}]")
    build_bytes(library, tmp_path)
    assert not [statement for statement in settings if "enable_sort" in statement]


@pytest.mark.parametrize("each", ["fine", "user"])
def test_a_third_decimal_that_a_total_of_the_file_lacks_is_found_by_the_selection(
    library: Library, write_layout: Write, tmp_path: Path, each: str
) -> None:
    library.fine(library.user(), "1.005", currency="KWD")
    library.fine(library.user(), "2.50", currency="KWD")
    amount = "{amount:plain}" if each == "fine" else "{charges:plain}"
    header = '{each: file, columns: [{value: "{sum:0.00}"}]}'
    write_layout(f'kind: delimited\nrecords: [{header}, {{each: {each}, columns: [{{value: "{amount}"}}]}}]')
    assert build_bytes(library, tmp_path, currencies=["KWD"]) == b"2.50\n2.5\n"


BODY = '{each: fine, columns: [{at: 1-8, value: "{identifier}"}, {at: 10-17, value: "{amount:0.00}", align: right}]}'
FILE = '{each: file, columns: [{at: 1-3, value: "{fines:000}"}, {at: 4-12, value: "{sum:0.00}"}]}'
DAMAGES: dict[str, tuple[bytes, bytes, str]] = {
    "an amount": (b"12.50", b"12.51", "the column amount adds up to 19.51 and 0, and its lines to 19.5 and 0"),
    "the trailer": (b"00219.50", b"00219.51", "line 3 does not keep to the layout"),
    "a lost line": (b"00000001    12.50\n", b"", "line 2 does not keep to the layout"),
    "a line twice": (b"00000001    12.50\n", b"00000001    12.50\n" * 2, "line 3 does not keep to the layout"),
    "a shifted column": (b"00000001    12.50", b"00000001   12.50 ", "line 1 does not keep to the layout"),
    "a short line": (b"00000001    12.50", b"00000001    12.5", "line 1 does not keep to the layout"),
    "an empty line": (b"00000001    12.50\n", b"\n", "line 1 does not keep to the layout"),
    "another line end": (b"12.50\n", b"12.50\r\n", "line 1 does not keep to the layout"),
    "no last line end": (b"00219.50    \n", b"00219.50    ", "its last line has no end"),
    "a line too many": (b"00219.50    \n", b"00219.50    \nx\n", "something follows line 3, which is the last one"),
    "no trailer": (b"00219.50    \n", b"", "it ends after 2 lines|its last line has no end"),
    "a foreign byte": (b"00000001", b"0000000\xe9", "codec can't decode byte 0xe9"),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_a_damaged_file_is_not_sent(library: Library, write_layout: Write, tmp_path: Path, case: str) -> None:
    before, after, reason = DAMAGES[case]
    library.fine(amount="12.50")
    library.fine(amount="7.00")
    write_layout(f"{FIXED}records: [{BODY}, {FILE}]")
    batch = select_batch(library)
    content = build_file(library.ledger, batch.id, tmp_path).path.read_bytes()
    assert content == b"00000001    12.50\n00000002     7.00\n00219.50    \n"
    with library.ledger.connect() as connection:
        check = get_check(connection, batch, batch.files[0])
    check([content])
    check([content[:1], content[1:20], content[20:]])
    damaged = content.replace(before, after, 1)
    assert damaged != content
    with pytest.raises(BatchError, match=f"was not sent: .*(?:{reason})"):
        check([damaged])


def test_totals_of_users_are_checked(library: Library, write_layout: Write, tmp_path: Path) -> None:
    user = library.user()
    library.fine(user, "12.50")
    library.fine(user, "-2.00")
    columns = ", ".join(f'{{value: "{{{name}:0.00}}"}}' for name in ("charges", "credits", "sum"))
    write_layout(f"kind: delimited\nrecords: [{{each: user, columns: [{columns}]}}]")
    batch = select_batch(library)
    content = build_file(library.ledger, batch.id, tmp_path).path.read_bytes()
    assert content == b"12.50,-2.00,10.50\n"
    with library.ledger.connect() as connection:
        check = get_check(connection, batch, batch.files[0])
    for damaged in (b"12.51,-2.00,10.50\n", b"12.50,2.00,10.50\n", b"12.50,-2.00,10.51\n"):
        with pytest.raises(BatchError, match="for some user, .* differs from the ledger"):
            check([damaged])


def test_two_quotes_that_hide_a_line_are_noticed(library: Library, write_layout: Write, tmp_path: Path) -> None:
    library.fine(library.user(last="A", first=""))
    library.fine(library.user(last="B", first=""))
    write_layout('kind: delimited\nrecords: [{each: fine, columns: [{value: "{patron_name}"}, {value: x}]}]')
    batch = select_batch(library)
    with library.ledger.connect() as connection:
        check = get_check(connection, batch, batch.files[0])
    check([b"A,x\nB,x\n"])
    for damaged in (b'"A,x\nB",x\n', b'A,"x\nB,x"\n', b'A,x\n"B,x\n'):
        with pytest.raises(BatchError):
            check([damaged])


def test_days_at_the_change_of_the_clocks_are_those_of_the_zone(
    library: Library, write_layout: Write, tmp_path: Path
) -> None:
    user = library.user()
    for moment in (datetime(2025, 11, 2, 4, 30, tzinfo=UTC), datetime(2025, 11, 3, 4, 59, tzinfo=UTC)):
        library.fine(user, created=moment)
    write_layout('kind: delimited\nrecords: [{each: fine, columns: [{value: "{last_transaction_on:%Y%m%d}"}]}]')
    assert build_bytes(library, tmp_path) == b"20251102\n20251102\n"
