"""The encoding of a CSV file: found by its byte order mark, or said by the source."""

import codecs
from pathlib import Path

import pytest

from bursar.sources.csv.dialect import Dialect
from bursar.sources.csv.faults import HeadingError
from bursar.sources.csv.tables import GROUPS
from tests.support.csv_records import read

CONTENT = "code;name\r\nUG;Ärzte €\r\n"
READ = [(2, None, "UG", "Ärzte €")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.csv"


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ],
)
@pytest.mark.parametrize("first", ["", "sep=;\r\n"])
def test_an_encoding_is_found(path: Path, mark: bytes, encoding: str, first: str) -> None:
    line = 3 if first else 2
    assert read(path, mark + f"{first}{CONTENT}".encode(encoding)) == [(line, *READ[0][1:])]


@pytest.mark.parametrize(
    ("said", "mark", "encoding"),
    [
        ("windows-1252", b"", "cp1252"),
        ("ISO-8859-15", b"", "iso-8859-15"),
        ("utf-8", b"", "utf-8"),
        ("utf-8", codecs.BOM_UTF8, "utf-8"),
        ("utf-8-sig", b"", "utf-8"),
        ("utf-16-be", b"", "utf-16-be"),
        ("utf-16", b"", "utf-16-le"),
        ("utf-16", codecs.BOM_UTF16_BE, "utf-16-be"),
        ("utf-16-le", codecs.BOM_UTF16_LE, "utf-16-le"),
        ("gb18030", b"", "gb18030"),
    ],
)
def test_an_encoding_can_be_said(path: Path, said: str, mark: bytes, encoding: str) -> None:
    assert read(path, mark + CONTENT.encode(encoding), GROUPS, Dialect(encoding=said)) == READ


@pytest.mark.parametrize(
    ("said", "content", "fault"),
    [
        (
            "windows-1252",
            codecs.BOM_UTF8 + CONTENT.encode(),
            (
                "the file starts with the byte order mark of UTF-8, the source says windows-1252; save the file in "
                "that encoding, or change what the source says"
            ),
        ),
        (
            "utf-16-be",
            codecs.BOM_UTF16_LE + CONTENT.encode("utf-16-le"),
            (
                "the file starts with the byte order mark of UTF-16-LE, the source says utf-16-be; save the file in "
                "that encoding, or change what the source says"
            ),
        ),
        (
            "auto",
            CONTENT.encode("utf-16-le"),
            "the heading has a NUL character; if the file is UTF-16, name that in the source, as in utf-16-le",
        ),
        (
            "auto",
            b"code;name;gr\xf6\xdfe\n",
            "the heading is not UTF-8; save the file in that encoding, or name its own encoding in the source",
        ),
        (
            "utf-16-le",
            CONTENT.encode(),
            (
                "no column is recognised with commas, semicolons, tabs or vertical bars between the columns; "
                "the columns are code, name"
            ),
        ),
    ],
    ids=["UTF-8 as Windows", "other order of bytes", "UTF-16 without mark", "Latin", "UTF-8 as UTF-16"],
)
def test_a_wrong_encoding_is_the_only_fault(path: Path, said: str, content: bytes, fault: str) -> None:
    with pytest.raises(HeadingError) as error:
        read(path, content, GROUPS, Dialect(encoding=said))
    assert error.value.faults == (fault,)


@pytest.mark.parametrize("broken", [b"\x00\xd8", b"\x00\xdc"], ids=["first half", "second half"])
def test_half_a_character_in_utf_16_is_a_fault_of_its_row(path: Path, broken: bytes) -> None:
    rows = [text.encode("utf-16-le") for text in ("code,name\n", "UG,a", "b\n", "GR,Grad\n")]
    content = codecs.BOM_UTF16_LE + rows[0] + rows[1] + broken + rows[2] + rows[3]
    [(line, fault, *values), good] = read(path, content)
    assert (line, values, good) == (2, [None, None], (3, None, "GR", "Grad"))
    assert (fault.field, fault.value, fault.reason) == ("name", "a\ufffdb", "is not UTF-16-LE")


def test_a_last_byte_too_many_in_utf_16_is_a_fault_of_its_row(path: Path) -> None:
    content = codecs.BOM_UTF16_LE + "code,name\nUG,a\nGR,Grad".encode("utf-16-le") + b"\n"
    good, (line, fault, *_) = read(path, content)
    assert good == (2, None, "UG", "a")
    assert (line, fault.field, fault.value) == (3, "name", "Grad\ufffd")


def test_a_byte_without_a_character_in_windows_1252_is_a_fault_of_its_row(path: Path) -> None:
    [(_, fault, *_)] = read(path, b"code,name\nUG,\xc4\x81\n", GROUPS, Dialect(encoding="windows-1252"))
    assert (fault.value, fault.reason) == ("Ä\ufffd", "is not WINDOWS-1252")
