"""Files that somebody opens in a spreadsheet before the bursar's system reads them.

A spreadsheet removes zeros in front, and takes a text such as `=1+1` for a formula. A guard against that changes the
bursar's data. So Bursar adds no guard, and a layout may write one.
"""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from bursar.layouts.layout import Layout
from tests.support.fixtures import Library
from tests.support.layouts import build_bytes

Write = Callable[[str], Layout]
TITLES = ['=HYPERLINK("http://x","y")', "=1+1", "+49 days", "-7", "@SUM(A1)", "'quoted", " =1+1", "\uff1d1+1"]


@pytest.fixture
def library(library: Library) -> Library:
    """A library with a credit for each of the titles; the user's identifier begins with zeros."""
    user = library.user("00000012")
    for title in TITLES:
        library.fine(user, "-1.50", item=library.item(title=title))
    return library


def read_rows(content: bytes, delimiter: str) -> list[list[str]]:
    return list(csv.reader(content.decode().splitlines(), delimiter=delimiter, strict=True))


@pytest.mark.parametrize("quotes", ["needed", "all", "never"])
@pytest.mark.parametrize(("name", "delimiter"), [("comma", ","), ("tab", "\t")])
def test_texts_are_as_they_are_whatever_a_spreadsheet_makes_of_them(
    library: Library, write_layout: Write, tmp_path: Path, quotes: str, name: str, delimiter: str
) -> None:
    title = 'value: "{item_title}"' + (", delimiter: space" if quotes == "never" else "")
    columns = f'{{{title}}}, {{value: "{{identifier}}"}}, {{value: "{{amount:0.00}}"}}'
    write_layout(
        f"kind: delimited\nquotes: {quotes}\ndelimiter: {name}\nrecords: [{{each: fine, columns: [{columns}]}}]"
    )
    content = build_bytes(library, tmp_path)
    titles = [one.replace(delimiter, " ") if quotes == "never" else one for one in TITLES]
    if quotes == "never":
        assert content.decode().splitlines() == [delimiter.join((one, "00000012", "-1.50")) for one in titles]
    else:
        assert read_rows(content, delimiter) == [[one, "00000012", "-1.50"] for one in titles]


def test_a_layout_may_write_a_guard_of_its_own(library: Library, write_layout: Write, tmp_path: Path) -> None:
    """The bursar sees it in the layout, and every line has it."""
    columns = """{value: "'{item_title}"}, {value: "Title: {item_title}"}, {value: '="{identifier}"'}"""
    write_layout(f"kind: delimited\nrecords: [{{each: fine, columns: [{columns}]}}]")
    expected = [[f"'{title}", f"Title: {title}", '="00000012"'] for title in TITLES]
    assert read_rows(build_bytes(library, tmp_path), ",") == expected
