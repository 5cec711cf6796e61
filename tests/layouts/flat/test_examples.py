"""The shipped layouts, byte for byte, and their check by the code that reads them back."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from bursar.exports.build import build_files
from bursar.exports.selection import select_fines
from bursar.layouts.files import plan_files
from bursar.layouts.flat.render import make_batch_values
from bursar.layouts.layout import Layout
from bursar.layouts.read import get_layout
from bursar.ledger.batches import Batch
from tests.support.fixtures import Library, make_settings
from tests.support.layouts import EXAMPLES, make_layout_profile

MOMENT = datetime(2026, 11, 26, 4, 30, tzinfo=UTC)
BANNER = """\
ID,DETAIL_CODE,TERM_CODE,AMOUNT,EFFECTIVE_DATE,DESCRIPTION,NAME,REFERENCE
000123456,LBOD,202630,12.50,11/13/2026,Overdue 39088001234567,"Garcia Marquez, Ana",LIB000501
000123456,LWRP,202630,95.00,11/15/2026,"Lost Torts: cases, notes and m","Garcia Marquez, Ana",LIB000502
000234567,LBCR,202630,-7.25,11/20/2026,Credit for LIB000377,"O'Brien, Soren",LIB000503
000234567,LBPF,202630,15.00,11/21/2026,Processing 39088005555556,"O'Brien, Soren",LIB000504
987654321,LBMS,202630,3.40,11/24/2026,Library charge,"Smith, ""Red"" J.",LIB000505
"""
PEOPLESOFT = """\
HLIB01202611250000001042
D000123456  2400000120002267000000001250N20261113LIB000501                     GARCIA MARQUEZ, ANA
D000123456  2400000120102267000000009500N20261115LIB000502                     GARCIA MARQUEZ, ANA
D000234567  8400000120902267000000000725Y20261120LIB000503                     O'BRIEN, SOREN
D000234567  2400000120202267000000001500N20261121LIB000504                     O'BRIEN, SOREN
D987654321  2400000120992267000000000340N20261124LIB000505                     SMITH, "RED" J.
T0000000500000000001259000000000000072500000000000118650988370367
"""
PER_USER = """\
"KOPF";"25.11.2026";"1042"
"PERS";"000123456";"García Márquez, Ana";"2";"107,50";"0,00";"107,50 ";"15.11.2026"
"PERS";"000234567";"O'Brien, Søren";"2";"15,00";"-7,25";"7,75 ";"21.11.2026"
"PERS";"987654321";"Smith, ""Red"" J.";"1";"3,40";"0,00";"3,40 ";"24.11.2026"
"ENDE";"3";"5";"118,65 "
"""
CHARGES = """\
000123456  000012.50410001000010111326Garcia Marquez, ALIB000501
000123456  000095.00410002000010111526Garcia Marquez, ALIB000502
000234567  000015.00410001000010112126O'Brien, Soren   LIB000504
987654321  000003.40410001000010112426Smith, "Red" J.  LIB000505
"""
CREDITS = """\
000234567  000007.25410001000090112026O'Brien, Soren   LIB000503      LIB000377
"""


def _fill(lines: str) -> bytes:
    return "".join(f"{line:85}\r\n" for line in lines.splitlines()).encode("ascii")


FILES = {
    "charges_and_credits": {
        "lib_261125_1042a.dat": b"LIB02\r\n" + _fill(CHARGES),
        "lib_261125_1042b.dat": b"LIB02\r\n" + _fill(CREDITS),
        "lib_261125_1042.done": b"",
    },
    "banner": {"library_20261125_1042.csv": BANNER.replace("\n", "\r\n").encode("ascii")},
    "peoplesoft": {
        "LIBFINES_20261125.dat": "".join(f"{line:100}\n" for line in PEOPLESOFT.splitlines()).encode("ascii")
    },
    "one_line_per_user": {"bibliothek_25112026.txt": PER_USER.replace("\n", "\r\n").encode("cp1252")},
}


def add_invented_fines(library: Library, owner: Engine) -> None:
    ana = library.user("000123456", last="García Márquez", first="Ana")
    soren = library.user("000234567", last="O'Brien", first="Søren")
    red = library.user("987654321", last="Smith", first='"Red" J.')
    fines = [
        (ana, "12.50", "OVERDUEFINE", "MAIN", "39088001234567", "Cien años de soledad", (14, 3, 30)),
        (
            ana,
            "95.00",
            "LOSTITEMREPLACEMENTFEE",
            "LAW",
            "39088009876543",
            "Torts: cases, notes and materials",
            (15, 17, 0),
        ),
        (soren, "-7.25", "CREDIT", "MAIN", "39088005555555", "Ship of fools", (20, 17, 0)),
        (soren, "15.00", "LOSTITEMPROCESSFEE", "MAIN", "39088005555556", "Moby Dick", (21, 17, 0)),
        (red, "3.40", "OTHER", None, None, None, (24, 17, 0)),
    ]
    for user, amount, kind, owner_library, barcode, title, moment in fines:
        item = library.item(title=title) if title else None
        if item:
            with owner.begin() as connection:
                connection.execute(text("UPDATE items SET barcode = :b WHERE id = :id"), {"b": barcode, "id": item})
        day, hour, minute = moment
        created = datetime(2026, 11, day, hour, minute, tzinfo=UTC)
        library.fine(user, amount, kind=kind, owner=owner_library, item=item, created=created)


def select_batch(library: Library, owner: Engine, layout: str) -> Batch:
    """Selects the fines of the examples as batch 1042, exported on 25 November 2026 in New York."""
    with owner.begin() as connection:
        connection.execute(text("ALTER TABLE batches ALTER id RESTART WITH 1042"))
    settings = make_settings(transaction_ids={"prefix": "LIB000", "start": "501"})
    as_of = datetime(2026, 11, 26, tzinfo=UTC)
    batch = select_fines(library.ledger, make_layout_profile(layout), settings, run_id="1", as_of=as_of)
    values = make_batch_values(1042, "STUDENTS", MOMENT, "America/New_York")
    planned = plan_files(values, get_layout(layout, Layout), dry_run=False)
    with owner.begin() as connection:
        connection.execute(text("UPDATE batches SET selected_at = :moment"), {"moment": MOMENT})
        connection.execute(text("UPDATE batch_lines SET reversed_transaction_id = 'LIB000377' WHERE amount < 0"))
        for file in planned:
            names = {"name": file.file_name, "number": file.number}
            connection.execute(text("UPDATE batch_files SET file_name = :name WHERE number = :number"), names)
    return batch


def test_every_shipped_layout_is_here() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.yaml")} == set(FILES)


@pytest.mark.usefixtures("layouts")
@pytest.mark.parametrize("layout", FILES)
def test_a_shipped_layout_gives_its_file_byte_for_byte(
    library: Library, owned_ledger: Engine, tmp_path: Path, layout: str
) -> None:
    add_invented_fines(library, owned_ledger)
    batch = select_batch(library, owned_ledger, layout)
    assert (batch.fines, batch.skipped) == (5, {})
    built = build_files(library.ledger, batch.id, tmp_path / "work")
    assert {file.name: file.path.read_bytes() for file in built} == FILES[layout]
