"""The exported file: compared with a sample and the XSD, and the same bytes for the same batch.

The module is long because the tests of the check damage the file that the tests of the build compare.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from lxml import etree
from sqlalchemy import Engine, text

from bursar.errors import BatchError
from bursar.exports.build import ExportFile, build_file
from bursar.exports.recover import release_batch
from bursar.exports.selection import select_fines
from bursar.layouts.alma_xml.check import check_file
from bursar.layouts.alma_xml.namespace import NAMESPACE, XSD
from bursar.layouts.alma_xml.render import NIL, render_file
from bursar.ledger.batches import Batch, BatchState, get_batch
from tests.support.fixtures import LONG_AGO, NOW, Library, make_profile, make_settings

SAMPLE = Path(__file__).parents[1] / "samples" / "export.xml"
NEW_YORK = ZoneInfo("America/New_York")
NS = {"xb": NAMESPACE}


def select(library: Library, run_id: str = "run 1", **export: object) -> Batch:
    return select_fines(library.ledger, make_profile(**export), make_settings(), run_id=run_id, as_of=NOW)  # type: ignore[arg-type]


def parse(file: ExportFile) -> etree._Element:
    return etree.fromstring(file.path.read_bytes())


def find_texts(root: etree._Element, path: str) -> list[str]:
    return [str(found) for found in root.xpath(path, namespaces=NS)]  # type: ignore[union-attr]


def test_the_file_equals_the_sample_byte_for_byte(library: Library, owned_ledger: Engine) -> None:
    ada = library.user("00451237", last="Okonkwo & Sons", first="Ada")
    roman = library.item(library="LAW", title="Мастер и Маргарита : роман /", call_number="PG3476.B78 M3")
    lines = library.item(library="LAW", title="One line\nand the next", call_number=None)
    library.fine(
        ada,
        "300.00",
        kind="DAMAGEDITEMFINE",
        item=roman,
        created=datetime(2026, 11, 1, 1, 30, tzinfo=NEW_YORK),
        comment="water damage <p. 3>",
        vat=Decimal("4.50"),
        item_due_date=datetime(2026, 9, 30, 23, 59, tzinfo=NEW_YORK),
    )
    library.fine(ada, "-3.25", item=lines, created=datetime(2026, 3, 8, 7, 0, tzinfo=UTC))
    library.fine(
        library.user("X0098", last="Njoroge", first=""),
        "0.82",
        kind="LIBRARYCARDREPLACEMENT",
        owner=None,
        currency="CAD",
        created=datetime(2026, 12, 31, 23, 59, 59, tzinfo=NEW_YORK),
    )
    with owned_ledger.begin() as connection:
        connection.execute(text("UPDATE libraries SET id = '161600070004321' WHERE code = 'MAIN'"))
        connection.execute(
            text("UPDATE items SET internal_location = '2nd floor', barcode = '31234000451237' WHERE id = :id"),
            {"id": roman},
        )
        connection.execute(
            text("UPDATE items SET internal_location = NULL, barcode = '31234000451238' WHERE id = :id"), {"id": lines}
        )
        connection.execute(text("ALTER TABLE batches ALTER id RESTART WITH 9001"))
    settings = make_settings(institution_id="4321", transaction_ids={"start": "70001"})
    found = select_fines(
        library.ledger,
        make_profile(include_internal_id=False),
        settings,
        run_id="1",
        as_of=datetime(2027, 2, 1, tzinfo=UTC),
    )
    with library.ledger.connect() as connection:
        written = b"".join(render_file(connection, found))
    assert written.decode().splitlines() == SAMPLE.read_text(encoding="utf-8").splitlines()
    assert written == SAMPLE.read_bytes()


def test_the_sample_is_valid_by_the_schema() -> None:
    etree.XMLSchema(file=str(XSD)).assertValid(etree.parse(SAMPLE))


@pytest.mark.parametrize("fines", [1, 49, 50, 51, 999, 1_000, 1_001])
def test_every_fine_of_a_batch_is_in_the_file_at_any_size(library: Library, tmp_path: Path, fines: int) -> None:
    with library.ledger.begin() as connection:
        connection.execute(
            text(
                "WITH people AS (INSERT INTO users (last_name, user_group)"
                " SELECT 'U' || n, 'STUDENT' FROM generate_series(1, :users) n RETURNING id),"
                " known AS (INSERT INTO identifiers SELECT id, '02', lpad(id::text, 8, '0') FROM people),"
                " owed AS (INSERT INTO fines (user_id, fine_fee_type, currency, amount, created_at)"
                " SELECT (array(SELECT id FROM people))[1 + n % :users], 'OTHER', 'USD', n * 0.01, :created"
                " FROM generate_series(1, :fines) n"
                " RETURNING id, amount, created_at)"
                " INSERT INTO journal_entries (fine_id, entry_type, balance_change, posted_at)"
                " SELECT id, 'CHARGED', amount, created_at FROM owed"
            ),
            {"users": (fines + 2) // 3, "fines": fines, "created": LONG_AGO},
        )
    found = select(library)
    root = parse(build_file(library.ledger, found.id, tmp_path))
    assert len(find_texts(root, "//xb:bursarTransactionId/text()")) == found.fines == fines
    assert sum(map(Decimal, find_texts(root, "//xb:sum/text()"))) == Decimal(fines * (fines + 1)) / 200
    assert (
        len(find_texts(root, "//xb:user/xb:value/text()"))
        == found.users
        == len(set(find_texts(root, "//xb:user/xb:value/text()")))
    )


def test_an_empty_batch_has_no_file(library: Library, tmp_path: Path) -> None:
    found = select(library)
    with pytest.raises(BatchError, match="empty"):
        build_file(library.ledger, found.id, tmp_path)
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_sums_drop_trailing_zeros(library: Library, tmp_path: Path) -> None:
    shown = ["300", "0.82", "-3", "-3.25", "1000000", "0.005"]
    user = library.user()
    for value in ["300.000", "0.820", "-3.000", "-3.250", "1000000.000", "0.005"]:
        library.fine(user, value, currency="KWD")
    root = parse(build_file(library.ledger, select(library).id, tmp_path))
    assert find_texts(root, "//xb:sum/text()") == shown


def test_text_is_kept_and_forbidden_characters_become_spaces(library: Library, tmp_path: Path) -> None:
    title = "a\x01b\x0bc & <d> \"e\" 'f' \r\n\tg 日本 עברית \U0001f4da \ufffe\x7f]]>"
    library.fine(library.user(last="O'Neil\x02", first="<b>"), item=library.item(title=title), comment="\x1f")
    root = parse(build_file(library.ledger, select(library).id, tmp_path))
    assert find_texts(root, "//xb:itemTitle/text()") == ["a b c & <d> \"e\" 'f' \r\n\tg 日本 עברית \U0001f4da   ]]>"]
    assert find_texts(root, "//xb:patronName/text()") == ["O'Neil , <b>"]


def test_every_character_makes_well_formed_text(ledger: Engine) -> None:
    characters = [chr(code) for code in range(1, 0x300)] + list("\u2028\ud7ff\ue000\ufffd\ufffe\uffff\U0001f4da")
    special = {"\t": "\t", "\n": "\n", "\r": "&#13;", "&": "&amp;", "<": "&lt;", ">": "&gt;"}
    forbidden = {*map(chr, range(0x20)), "\x7f", "\ufffe", "\uffff"} - special.keys()
    with ledger.connect() as connection:
        query = text("SELECT value, xml_text(value) FROM unnest(CAST(:values AS text[])) AS value")
        rows = connection.execute(query, {"values": [f"x{character}]]>y" for character in characters]})
        found = {value: shown for value, shown in rows}  # noqa: C416
    for character in characters:
        shown = special.get(character, " " if character in forbidden else character)
        assert found[f"x{character}]]>y"] == f"x{shown}]]&gt;y"
        etree.fromstring(f"<a>{shown}]]&gt;</a>")


def test_identifiers_keep_leading_zeros_and_name_their_institution(library: Library, tmp_path: Path) -> None:
    library.fine(library.user("00000012"))
    root = parse(build_file(library.ledger, select(library).id, tmp_path))
    assert find_texts(root, "//xb:user/xb:value/text()") == ["00000012"]
    assert find_texts(root, "//xb:user//xb:InstitutionId/text()") == ["6761"]
    library.fine()
    root = parse(build_file(library.ledger, select(library, "run 2", user_identifier_type="userName").id, tmp_path))
    assert find_texts(root, "//xb:user/xb:type/text()") == ["userName"]
    assert find_texts(root, "//xb:user//xb:InstitutionId/text()") == ["null"]


def test_a_profile_chooses_the_time_zone_and_the_internal_id(library: Library, tmp_path: Path) -> None:
    fine = library.fine(created=datetime(2026, 1, 15, 17, 0, tzinfo=UTC))
    found = select(library, append_time_zone_abbreviation=True)
    root = parse(build_file(library.ledger, found.id, tmp_path))
    assert find_texts(root, "//xb:lastTransactionDate/text()") == ["01/15/2026 12:00:00 EST"]
    assert find_texts(root, "//xb:internalId/text()") == [str(fine)]


def test_the_same_batch_always_gives_the_same_bytes(library: Library, tmp_path: Path) -> None:
    library.fine(item=library.item())
    found = select(library)
    here, there = (build_file(library.ledger, found.id, tmp_path / name) for name in ("here", "there"))
    assert here.path.read_bytes() == there.path.read_bytes()
    assert here.sha256 == there.sha256
    with library.ledger.connect() as connection:
        assert get_batch(connection, found.id).files[0].sha256 == here.sha256
        assert get_batch(connection, found.id).state is BatchState.BUILT


@pytest.mark.parametrize("damage", [b"", b"damaged"])
def test_a_damaged_working_file_is_built_again(library: Library, tmp_path: Path, damage: bytes) -> None:
    library.fine()
    found = select(library)
    built = build_file(library.ledger, found.id, tmp_path)
    built.path.write_bytes(damage)
    assert build_file(library.ledger, found.id, tmp_path) == built
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == [found.file_name]
    assert built.path.stat().st_size == built.size


def test_a_file_with_other_bytes_than_before_is_an_error(
    library: Library, owned_ledger: Engine, tmp_path: Path
) -> None:
    library.fine()
    found = select(library)
    build_file(library.ledger, found.id, tmp_path).path.unlink()
    with owned_ledger.begin() as connection:
        connection.execute(text("UPDATE batch_lines SET patron_name = 'Somebody, Else'"))
    with pytest.raises(BatchError, match="Nothing was sent"):
        build_file(library.ledger, found.id, tmp_path)
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_only_the_owner_can_read_the_working_folder(library: Library, tmp_path: Path) -> None:
    library.fine()
    work_dir = tmp_path / "work_dir" / "STUDENTS"
    folder = build_file(library.ledger, select(library).id, work_dir).path.parent
    assert [path.stat().st_mode & 0o777 for path in (work_dir, folder)] == [0o700, 0o700]


def test_a_released_batch_has_no_file(library: Library, tmp_path: Path) -> None:
    library.fine()
    found = select(library)
    release_batch(library.ledger, found.id)
    with pytest.raises(BatchError, match="was released"):
        build_file(library.ledger, found.id, tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<xb:sum>12.5</xb:sum>", "<xb:sum>12.49</xb:sum>", "12.49"),
        ("<xb:sum>12.5</xb:sum>", "<xb:sum>12.50</xb:sum>", "does not keep to the format"),
        ("<xb:currency>USD</xb:currency>", "<xb:currency>CAD</xb:currency>", "CAD"),
        ("itemCallNumebr", "itemCallNumbr", "does not keep to the format"),
        ("itemCallNumebr", "itemCallNumber", "its profile excludes"),
        (f"<xb:vat{NIL}", "<xb:vat/>", "its profile excludes"),
        (f"<xb:itemDueDate{NIL}", "<xb:itemDueDate></xb:itemDueDate>", "its profile excludes"),
        ("</xb:xml-fragment>", "", "does not keep to the format"),
        (
            "</xb:finefeeList>",
            "<!-- <xb:currency>USD</xb:currency><xb:sum>1</xb:sum> --></xb:finefeeList>",
            "a comment",
        ),
        ("xb:sum>", "y:sum>", "does not keep to the format"),
    ],
)
def test_a_file_that_differs_from_its_lines_is_rejected(
    library: Library, tmp_path: Path, old: str, new: str, message: str
) -> None:
    library.fine(item=library.item())
    found = select(library)
    path = build_file(library.ledger, found.id, tmp_path).path
    whole = path.read_bytes()
    damaged = path.read_text(encoding="utf-8").replace(old, new).encode()
    assert damaged != whole
    for size in (1, 100, len(whole)):
        check_file(found, split(whole, size))
        with pytest.raises(BatchError, match=message):
            check_file(found, split(damaged, size))


@pytest.mark.parametrize(
    "between",
    [
        "x",
        "<xb:user/>",
        "</xb:userExportedList><xb:userExportedList>",
        "</xb:userExportedList></xb:userExportedFineFees><xb:userExportedFineFees><xb:userExportedList>",
        "</xb:xml-fragment>",
    ],
)
def test_the_check_rejects_anything_between_two_users(library: Library, tmp_path: Path, between: str) -> None:
    for _ in range(3):
        library.fine(user=library.user())
    found = select(library)
    content = build_file(library.ledger, found.id, tmp_path).path.read_text(encoding="utf-8")
    end = "</xb:userExportedFineFeesList>"
    for users in (1, 2):
        first, rest = content.split(end, users)[:users], content.split(end, users)[users]
        damaged = (end.join(first) + end + between + rest).encode()
        for size in (1, 100, len(damaged)):
            with pytest.raises(BatchError, match="does not keep to the format"):
                check_file(found, split(damaged, size))


@pytest.mark.parametrize(
    ("number", "other_number", "between", "message"),
    [
        (
            "<xb:exportNumber>1</xb:exportNumber>\n\t</xb:userExportedFineFees>\n\t<xb:userExportedFineFees>\n\t\t",
            "",
            "</xb:userExportedList></xb:userExportedFineFees><xb:userExportedFineFees><xb:userExportedList>",
            "users",
        ),
        ("<xb:userExportedList>", "<xb:userExportedList><?a ", "?>", "an instruction"),
    ],
)
def test_the_check_rejects_a_second_beginning(
    library: Library, tmp_path: Path, number: str, other_number: str, between: str, message: str
) -> None:
    for _ in range(3):
        library.fine(user=library.user())
    found = select(library)
    content = build_file(library.ledger, found.id, tmp_path).path.read_text(encoding="utf-8")
    end = "</xb:userExportedFineFeesList>"
    number = number.replace("1", str(found.id))
    assert number in content
    damaged = content.replace(number, other_number).replace(end, end + between, 2).encode()
    for size in (1, 100, len(damaged)):
        with pytest.raises(BatchError, match=message):
            check_file(found, split(damaged, size))


def split(content: bytes, size: int) -> Iterator[bytes]:
    return (content[at : at + size] for at in range(0, len(content), size))


def test_the_check_counts_a_fine_under_another_prefix(library: Library, tmp_path: Path) -> None:
    """The additional fine is valid by the schema; its namespace prefix is not the one that the check looks for."""
    library.fine(item=library.item())
    found = select(library)
    content = build_file(library.ledger, found.id, tmp_path).path.read_text(encoding="utf-8")
    fine = content[content.index("<xb:userFineFee>") : content.index("</xb:userFineFee>") + len("</xb:userFineFee>")]
    more = fine.replace("xb:", "y:").replace("<y:userFineFee>", f'<y:userFineFee xmlns:y="{NAMESPACE}">')
    damaged = content.replace(fine, fine + more)
    etree.XMLSchema(file=str(XSD)).assertValid(etree.fromstring(damaged.encode()))
    with pytest.raises(BatchError, match="2 fines"):
        check_file(found, [damaged.encode()])
