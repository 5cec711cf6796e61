"""Reading CSV files: the records, the errors of rows, and their lines."""

from pathlib import Path
from typing import Any

import pytest

from bursar.errors import InputFileError
from bursar.sources.csv.reader import FINES, GROUPS, LIBRARIES, USERS, CsvTable, records

USERS_HEADER = "primary_id,last_name,first_name,user_group,expiry_date,purge_date"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.csv"


def read(path: Path, content: str | bytes, layout: CsvTable = GROUPS) -> list[tuple[Any, ...]]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(records(path, layout))


@pytest.mark.parametrize(
    "content",
    [
        "code,name\nUG,Ünder\nGR,\n",
        "\ufeffcode,name\r\nUG,Ünder\r\nGR,\r\n",
        "name,code\nÜnder,UG\n,GR",
        'code, name \n UG ,"Ünder"\nGR," "\n',
    ],
    ids=["plain", "byte order mark and CRLF", "another order", "spaces around"],
)
def test_the_same_records_can_be_written_in_several_ways(path: Path, content: str) -> None:
    assert read(path, content) == [(2, None, "UG", "Ünder"), (3, None, "GR", None)]


def test_a_record_has_the_line_where_it_starts(path: Path) -> None:
    content = 'code,name\n\nUG,"two\nlines"\n,\nGR,"he said ""no"", twice"\n'
    assert read(path, content) == [(3, None, "UG", "two\nlines"), (6, None, "GR", 'he said "no", twice')]


def test_control_characters_are_kept(path: Path) -> None:
    assert read(path, "code,name\nUG,a\x01b\x1fc\tüü\u2028\n") == [(2, None, "UG", "a\x01b\x1fc\tüü\u2028")]


def test_absent_columns_are_blank(path: Path) -> None:
    [(_, _, *values)] = read(path, "amount,fine_id,primary_id,created_at,fine_fee_type\n5,F1,u1,2026,FEE\n", FINES)
    assert values == ["F1", "u1", "FEE", "5", "2026", *[None] * len(FINES.optional)]


def test_identifiers_are_read_as_one_object(path: Path) -> None:
    content = f"{USERS_HEADER},identifier:02,identifier:BARCODE\nu1,Ng,,UG,,,007,\n"
    assert read(path, content, USERS)[0][-1] == '{"02": "007", "BARCODE": null}'


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (b"UG", "1 value for 2 columns; a value with a comma in it needs quotation marks"),
        (b"UG,a,b", "3 values for 2 columns; a value with a comma in it needs quotation marks"),
        (b"UG,a\0b", "a NUL character, which the ledger can't keep"),
        ("UG,ü".encode("latin-1"), "not UTF-8; save the file in that encoding"),
    ],
)
def test_a_row_after_an_invalid_one_is_read(path: Path, row: bytes, fault: str) -> None:
    content = b"code,name\nUG,Under\n" + row + b"\nGR,Grad\n"
    assert read(path, content) == [(2, None, "UG", "Under"), (3, fault, None, None), (4, None, "GR", "Grad")]


@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        ('GR,"no end\nXX,x\n', "a quotation mark is opened and never closed"),
        ('GR,"a" b\nXX,x\n', "text follows a closing quotation mark"),
        (f"GR,{'x' * 200_000}\nXX,x\n", "a value has more than 131,072 characters; most likely a quotation mark"),
        (f"GR{',' * 1_000_000}\nXX,x\n", "a record has more than 1,000,000 characters; most likely a quotation mark"),
        ("GR" + ',"\n"' * 300_000, "a record has more than 1,000,000 characters; most likely a quotation mark"),
    ],
    ids=[
        "open quotation mark",
        "text behind a quotation mark",
        "a long value",
        "a long line",
        "a record of many lines",
    ],
)
def test_invalid_csv_ends_the_file_with_the_line_where_it_starts(path: Path, rest: str, reason: str) -> None:
    first, (line, fault, *values) = read(path, 'code,name\nUG,"two\nlines"\n' + rest)
    assert first == (2, None, "UG", "two\nlines")
    assert (line, values) == (4, [None, None])
    assert fault.startswith("not readable as CSV from here on: ")
    assert reason in fault


@pytest.mark.parametrize(
    ("header", "faults"),
    [
        ("", ["the header is missing; the columns are code, name, with commas between them"]),
        ("code", ["column name is missing"]),
        ("code,name,größe", ['unknown column "größe"; the columns are code, name, with commas between them']),
        ("code,name,identifier:02", ['unknown column "identifier:02"']),
        ("code,name,", ['unknown column ""']),
        ("code,name,name", ['column "name" is in the header 2 times']),
        ("Code,name", ['unknown column "Code"', "column code is missing"]),
        ('code,"name', ["not readable as CSV"]),
    ],
)
def test_an_invalid_header_is_an_error_of_line_1(path: Path, header: str, faults: list[str]) -> None:
    found = read(path, header + "\nUG,Under\n" if header else "")
    assert [(line, *values) for line, _, *values in found] == [(1, None, None)] * len(faults)
    for (_, fault, *_), expected in zip(found, faults, strict=True):
        assert expected in fault


@pytest.mark.parametrize(
    ("column", "fault"),
    [
        ("identifier:userName", "column identifier:userName is primary_id by another name; leave it out"),
        ("identifier:", 'unknown column "identifier:"; the columns are primary_id, last_name'),
    ],
)
def test_an_invalid_identifier_column_is_an_error(path: Path, column: str, fault: str) -> None:
    [(line, found, *_)] = read(path, f"{USERS_HEADER},{column}\nu1,Ng,,UG,,,x\n", USERS)
    assert (line, found[: len(fault)]) == (1, fault)


def test_a_file_that_is_not_utf_8_is_an_error(path: Path) -> None:
    [(line, fault, *_)] = read(path, "code,name\nUG,Under\n".encode("utf-16"))
    assert (line, fault) == (1, "not UTF-8; save the file in that encoding")


def test_a_missing_csv_file_is_an_error(path: Path) -> None:
    with pytest.raises(InputFileError, match=r"file\.csv: the file can't be read: No such file"):
        list(records(path, GROUPS))


@pytest.mark.parametrize("layout", [GROUPS, LIBRARIES, USERS, FINES], ids=lambda layout: layout.name)
def test_every_column_is_documented(layout: CsvTable) -> None:
    documentation = (Path(__file__).parents[3] / "docs" / "reference" / "csv.md").read_text(encoding="utf-8")
    [section] = [part for part in documentation.split("\n## ") if f"{layout.name}.csv" in part.splitlines()[0]]
    assert [column for column in layout.required + layout.optional if f"`{column}`" not in section] == []
