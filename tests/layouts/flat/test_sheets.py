"""Whole sheets of bursars that are none of the examples, as a library would write them from the description."""

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine, text

from bursar.exports.build import build_file
from bursar.exports.selection import select_fines
from bursar.layouts.layout import Layout
from bursar.ledger import desk
from tests.support.fake_bursar import FakeBursar
from tests.support.fixtures import NOW, Library, make_settings
from tests.support.layouts import build_bytes, make_layout_profile

Write = Callable[[str], Layout]

REVERSALS = """
kind: fixed
encoding: ascii
characters: ascii
last_line_end: no
file_name: "LIB_charges.dat.{exported_on:%Y%m%d}.{batch}.1"
values:
  account: {of: fine_fee_type, codes: {OVERDUEFINE: "430000000010", CREDIT: "430000000010"}, else: "430000000099"}
  term: {day: charged_on, terms: {"01-01": "2{yy}1", "06-01": "2{yy}4", "08-01": "2{yy}7"}}
  due: {due: {of: exported_on, next_day_of_month: 25, plus_months: 1}}
  due_date: {of: kind, codes: {reversal: , "*": "{due:%m%d%Y}"}}
  billing_date: {of: kind, codes: {reversal: , "*": "{exported_on:%m%d%Y}"}}
  is_reversal: {of: kind, codes: {reversal: Y, "*": }}
  reference: {of: kind, codes: {reversal: "{reversed_transaction_id}", "*": "{transaction_id}"}}
records:
  - each: fine
    length: 97
    columns:
      - {at: 1-11, value: "{identifier}"}
      - {at: 13-24, value: "{account}"}
      - {at: 26-35, value: "{amount:abs 0.00}", align: right}
      - {at: 37-45, value: "{due_date}"}
      - {at: 47-55, value: "{billing_date}"}
      - {at: 57-61, value: "{term}"}
      - {at: 63-65, value: "{is_reversal}"}
      - {at: 67-97, value: "{reference}"}
"""
"""Eight fields with a blank between; a reversal keeps the term and the reference of its charge, and has no dates."""
BY_OWNER = """
kind: fixed
encoding: iso-8859-1
file_name: "lib_{exported_on:%y%m%d}a.dat"
values:
  item_type:
    of: [kind, owner_library_code, fine_fee_type]
    codes: {charge/LAW/*: "200000000010", charge/*/OVERDUEFINE: "200000000020", credit/*/*: "290000000020"}
  description:
    of: [owner_library_code, fine_fee_type]
    codes: {LAW/*: "Law Library {item_barcode}", "*/OVERDUEFINE": "Overdue {item_title}", "*/CREDIT": "Credit"}
records:
  - {each: file, columns: [{at: 1-5, value: LIB02}]}
  - each: fine
    length: 75
    columns:
      - {at: 1-11, value: "{identifier:last 7}"}
      - {at: 12-20, value: "{amount:abs 0.00}", fill: "0"}
      - {at: 21-32, value: "{item_type}"}
      - {at: 33-38, value: "{last_transaction_on:%m%d%y}"}
      - {at: 39-41, value: SFS}
      - {at: 46-75, value: "{description}", cut: end}
"""
"""A constant header; code and description by library and type, with other codes for credits; a blank term."""


def test_charges_and_reversals_at_fixed_positions(
    office: FakeBursar, owned_ledger: Engine, write_layout: Write, tmp_path: Path
) -> None:
    charge, transaction = office.export_fine("12.50")
    with owned_ledger.begin() as connection:
        connection.execute(text("UPDATE batches SET selected_at = '2025-07-01 12:00+00'"))
    library = office.library
    with library.ledger.begin() as connection:
        desk.reverse_charge(connection, charge)
    library.fine(library.user("00000345"), "1234.50", kind="LOSTITEMPROCESSFEE")
    write_layout(REVERSALS)
    batch = select_fines(library.ledger, make_layout_profile(), make_settings(), run_id="in a layout", as_of=NOW)
    with owned_ledger.begin() as connection:
        connection.execute(
            text("UPDATE batches SET selected_at = '2025-11-26 12:00+00' WHERE id = :id"), {"id": batch.id}
        )
    lines = build_file(library.ledger, batch.id, tmp_path).path.read_text(encoding="ascii").split("\n")
    assert [len(line) for line in lines] == [97, 97]
    assert lines[0] == f"{'00000001':11} 430000000010      12.50 {'':9} {'':9} 2254  Y   {transaction:31}"
    assert "   1234.50 01252026  11262025  2257      " in lines[1]


def test_codes_by_library_and_type_with_a_constant_header(
    library: Library, write_layout: Write, tmp_path: Path
) -> None:
    user = library.user("u0012345678", last="Müller")
    library.fine(user, "1.50", owner="LAW", kind="OTHER")
    library.fine(user, "2.00", owner="MAIN", item=library.item(title="Größen und Zahlen, ein Lehrbuch für alle"))
    library.fine(user, "-3.00", owner="MAIN", kind="CREDIT")
    library.fine(user, "4.00", owner="MAIN", kind="OTHER")
    write_layout(BY_OWNER)
    content = build_bytes(library, tmp_path, identifier_pattern=".*")
    header, *lines = content.decode("iso-8859-1").splitlines()
    assert header == "LIB02"
    assert [len(line) for line in lines] == [75] * 3
    assert [line[:32] + line[38:] for line in lines] == [
        f"{'2345678':11}000001.50200000000010SFS    {'Law Library ':30}",
        f"{'2345678':11}000002.00200000000020SFS    Overdue Größen und Zahlen, ein",
        f"{'2345678':11}000003.00290000000020SFS    {'Credit':30}",
    ]
