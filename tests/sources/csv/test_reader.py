"""Reading CSV files: the records, the faults of rows, and their lines."""

from pathlib import Path

import pytest

from bursar.errors import InputFileError
from bursar.sources.csv.faults import HeadingError, RowFault
from bursar.sources.csv.reader import FAULT_COLUMNS, records
from bursar.sources.csv.tables import FINES, GROUPS, LIBRARIES, USERS, CsvTable
from tests.support.csv_records import read

USERS_HEADING = "primary_id,last_name,first_name,user_group,expiry_date,purge_date"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.csv"


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
    content = '\n,\ncode,name\n\nUG,"two\nlines"\n,\nGR,"he said ""no"", twice"\n'
    assert read(path, content) == [(5, None, "UG", "two\nlines"), (8, None, "GR", 'he said "no", twice')]


def test_control_characters_are_kept(path: Path) -> None:
    assert read(path, "code,name\nUG,a\x01b\x1fc\tüü\u2028\n") == [(2, None, "UG", "a\x01b\x1fc\tüü\u2028")]


def test_absent_columns_are_blank(path: Path) -> None:
    [record] = read(path, "amount,fine_id,primary_id,created_at,fine_fee_type\n5,F1,u1,2026,FEE\n", FINES)
    values = dict(zip(FINES.columns, record[2:], strict=True))
    assert {name: value for name, value in values.items() if value} == {
        "fine_id": "F1",
        "primary_id": "u1",
        "fine_fee_type": "FEE",
        "amount": "5",
        "created_at": "2026",
    }


def test_identifiers_are_read_as_one_object(path: Path) -> None:
    content = f"{USERS_HEADING},identifier:02,identifier:BARCODE\nu1,Ng,,UG,,,007,\n"
    assert read(path, content, USERS)[0][-1] == '{"02": "007", "BARCODE": null}'


COUNT = "a value with a comma in it needs quotation marks"
OTHER_ENCODING = "save the file in that encoding, or name its own encoding in the source"


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (b"UG", RowFault(None, None, "1 value for 2 columns", COUNT)),
        (b"UG,a,b", RowFault(None, None, "3 values for 2 columns", COUNT)),
        (
            b"UG,a\0\x1bb",
            RowFault("name", "a\ufffd\ufffdb", "has a NUL character, which the ledger can't keep", "remove it"),
        ),
        ("UG,Müller".encode("latin-1"), RowFault("name", "M\ufffdller", "is not UTF-8", OTHER_ENCODING)),
        (
            b"x" * 501 + b",y",
            RowFault("code", "x" * 60, "has more than 500 characters, the most that the ledger keeps", "shorten it"),
        ),
        (
            "UG,ä".encode() + b"y" * 8_000,
            RowFault(
                "name", f"ä{'y' * 59}", "has more than 8,000 characters, the most that the ledger keeps", "shorten it"
            ),
        ),
    ],
    ids=["missing value", "value too many", "NUL", "encoding", "long id", "long value"],
)
def test_a_row_after_an_invalid_one_is_read(path: Path, row: bytes, fault: RowFault) -> None:
    content = b"code,name\nUG,Under\n" + row + b"\nGR,Grad\n"
    assert read(path, content) == [(2, None, "UG", "Under"), (3, fault, None, None), (4, None, "GR", "Grad")]


def test_a_record_is_flat(path: Path) -> None:
    path.write_text("code,name\nUG\nGR,Grad\n", encoding="utf-8")
    assert FAULT_COLUMNS == ("fault_field", "fault_value", "fault_reason", "fault_remedy")
    assert list(records(path, GROUPS)) == [
        (2, None, None, "1 value for 2 columns", COUNT, None, None),
        (3, None, None, None, None, "GR", "Grad"),
    ]


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
def test_invalid_csv_is_an_error_of_the_file_with_the_line_where_it_starts(path: Path, rest: str, reason: str) -> None:
    path.write_text('code,name\nUG,"two\nlines"\n' + rest, encoding="utf-8", newline="")
    found = records(path, GROUPS)
    assert next(found)[-2:] == ("UG", "two\nlines")
    with pytest.raises(HeadingError) as error:
        next(found)
    assert (error.value.path, error.value.line) == (path, 4)
    [fault] = error.value.faults
    assert fault.startswith("not readable as CSV from here on: ")
    assert reason in fault
    assert str(error.value) == f"{path}:4: {fault}"


def test_a_missing_csv_file_is_an_error(path: Path) -> None:
    with pytest.raises(InputFileError, match=r"file\.csv: the file can't be read: No such file"):
        list(records(path, GROUPS))


@pytest.mark.parametrize("layout", [GROUPS, LIBRARIES, USERS, FINES], ids=lambda layout: layout.name)
def test_every_column_is_documented(layout: CsvTable) -> None:
    documentation = (Path(__file__).parents[3] / "docs" / "reference" / "csv.md").read_text(encoding="utf-8")
    [section] = [part for part in documentation.split("\n## ") if f"{layout.name}.csv" in part.splitlines()[0]]
    assert [column for column in layout.known if f"`{column}`" not in section] == []
