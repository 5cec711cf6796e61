"""The forms of the XML file that a profile can choose: the same fines and texts, read back by each reader."""

import io
import re
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from lxml import etree
from sqlalchemy import text

from bursar.errors import BatchError
from bursar.exports.build import build_file
from bursar.exports.selection import select_fines
from bursar.layouts.alma_xml import parse, parse_fast
from bursar.layouts.alma_xml.check import check_file
from bursar.layouts.alma_xml.namespace import NAMESPACE, XSD
from bursar.layouts.alma_xml.render import NIL, render_file
from bursar.ledger.batches import Batch
from tests.support.fixtures import NOW, Library, make_profile, make_settings

SAMPLE = Path(__file__).parents[2] / "samples" / "export.xml"
OPTIONS = ("compact", "empty_elements", "correct_call_number")
CHOICES = list(product([False, True], repeat=len(OPTIONS)))
TITLE = '\n\t title\twith\n blanks, &, <xb:vat xsi:nil="true"/> and \\n\n'


def fill(library: Library) -> None:
    user = library.user()
    library.fine(user, "10", item=library.item(title=TITLE), comment="water\n")
    library.fine(user, "-3.25", owner=None)
    library.fine(library.user(), "0.82", item=library.item(call_number=None), vat=None)


def export(library: Library, **form: bool) -> Batch:
    profile, run_id = make_profile(xml=form), f"run {form}"
    return select_fines(library.ledger, profile, make_settings(), run_id=run_id, as_of=NOW, dry_run=True)


def build(library: Library, batch: Batch, folder: Path) -> str:
    return build_file(library.ledger, batch.id, folder).path.read_bytes().decode()


def list_texts(content: str) -> list[tuple[str, str]]:
    """Returns names and texts of the elements without children, in their order; both spellings count as one."""
    root = etree.fromstring(content.encode())
    leaves = (element for element in root.iter() if not len(element))
    return [(etree.QName(leaf).localname.replace("Numebr", "Number"), leaf.text or "") for leaf in leaves]


@pytest.fixture
def plain(library: Library, tmp_path: Path) -> str:
    """Returns the file of three fines without options. Its numbers are those of other files of these fines."""
    fill(library)
    return normalize(build(library, export(library), tmp_path))


def normalize(content: str) -> str:
    """Replaces the numbers that differ between two batches of the same fines."""
    content = re.sub(r"<xb:exportNumber>\d+<", "<xb:exportNumber>1<", content)
    return re.sub(r"<xb:bursarTransactionId>\d+<", "<xb:bursarTransactionId>1<", content)


@pytest.mark.parametrize("chosen", CHOICES)
def test_each_form_has_the_same_texts_and_only_the_chosen_differences(
    library: Library, plain: str, chosen: tuple[bool, ...], tmp_path: Path
) -> None:
    form = dict(zip(OPTIONS, chosen, strict=True))
    content = normalize(build(library, export(library, **form), tmp_path))
    assert list_texts(content) == list_texts(plain)
    expected = plain
    if form["empty_elements"]:
        expected = expected.replace(NIL, "/>")
    if form["correct_call_number"]:
        expected = expected.replace("xb:itemCallNumebr>", "xb:itemCallNumber>")
    if form["compact"]:
        expected = re.sub(r">[\n\t]+<", "><", expected).rstrip("\n")
    assert content == expected


@pytest.mark.parametrize("chosen", CHOICES)
def test_both_readers_read_each_form(library: Library, chosen: tuple[bool, ...], tmp_path: Path) -> None:
    fill(library)
    form = dict(zip(OPTIONS, chosen, strict=True))
    content = build(library, export(library, **form), tmp_path).encode()
    records = list(parse.parse_records(iter([content]), "file"))
    assert [record.sum for record in records] == ["10", "-3.25", "0.82"]
    blocks = iter([content])
    assert records == list(parse_fast.parse_records(io.BytesIO(content), "file"))
    fast = parse_fast._parse_plain(blocks)  # noqa: SLF001  no fine is left to the slow reader
    assert list(fast) == records


@pytest.mark.parametrize("text_", ["\n", "\t\n", " ", "\n\n\\n"])
def test_a_compact_file_keeps_texts_of_blanks(library: Library, text_: str, tmp_path: Path) -> None:
    library.fine(item=library.item(title=text_))
    content = build(library, export(library, compact=True), tmp_path)
    assert f"<xb:itemTitle>{text_}</xb:itemTitle>" in content


def test_a_file_that_is_built_again_has_the_same_form(library: Library, tmp_path: Path) -> None:
    fill(library)
    batch = export(library, compact=True, correct_call_number=True)
    first, again = (build(library, batch, tmp_path / name) for name in ("first", "again"))
    assert first == again
    assert "\n\t<" not in first


def test_a_batch_of_an_earlier_version_has_the_plain_form(library: Library, plain: str, tmp_path: Path) -> None:
    with library.ledger.connect() as connection:
        options = connection.execute(text("SELECT render_options - 'xml' FROM batches")).scalar_one()
    batch = replace(export(library, compact=True), render_options=options)
    with library.ledger.connect() as connection:
        blocks = list(render_file(connection, batch))
    check_file(batch, blocks)
    assert normalize(b"".join(blocks).decode()) == plain


@pytest.mark.parametrize(
    ("form", "old", "new", "message"),
    [
        ({"correct_call_number": True}, "itemCallNumber", "itemCallNumebr", "its profile excludes"),
        ({"empty_elements": True}, "<xb:vat/>", f"<xb:vat{NIL}", "its profile excludes"),
        ({"compact": True}, "<xb:sum>10<", "<xb:sum>11<", "11"),
        ({"compact": True}, "</xb:finefeeList>", "", "does not keep to the format"),
        ({"empty_elements": True}, "<xb:sum>10</xb:sum>", "<xb:sum/>", "does not keep to the format"),
    ],
)
def test_a_file_of_another_form_or_other_sums_is_rejected(
    library: Library, form: dict[str, bool], old: str, new: str, message: str, tmp_path: Path
) -> None:
    fill(library)
    batch = export(library, **form)
    content = build(library, batch, tmp_path)
    assert old in content
    damaged = content.replace(old, new).encode()
    for size in (1, 100, len(damaged)):
        check_file(batch, (content.encode()[at : at + size] for at in range(0, len(content.encode()), size)))
        with pytest.raises(BatchError, match=message):
            check_file(batch, (damaged[at : at + size] for at in range(0, len(damaged), size)))


@pytest.mark.parametrize("vat", ["<xb:vat/>", "<xb:vat></xb:vat>", "<xb:vat>0</xb:vat>", f"<xb:vat{NIL}"])
def test_the_schema_permits_what_real_files_have(vat: str) -> None:
    content = SAMPLE.read_text(encoding="utf-8")
    real = re.sub(r"<xb:vat[ >].*?(</xb:vat>|/>)", vat, content).replace(f"<xb:itemDueDate{NIL}", "<xb:itemDueDate/>")
    schema = etree.XMLSchema(file=str(XSD))
    schema.assertValid(etree.fromstring(real.encode()))
    schema.assertValid(etree.fromstring(real.replace("CallNumebr", "CallNumber").encode()))


@pytest.mark.parametrize("vat", ["<xb:vat> </xb:vat>", "<xb:vat>0.10</xb:vat>", ""])
def test_the_schema_rejects_other_values(vat: str) -> None:
    content = re.sub(r"<xb:vat[ >].*?(</xb:vat>|/>)", vat, SAMPLE.read_text(encoding="utf-8"))
    assert NAMESPACE in content
    assert not etree.XMLSchema(file=str(XSD)).validate(etree.fromstring(content.encode()))
