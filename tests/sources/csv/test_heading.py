"""The heading of a CSV file: names in any case and order, and the faults that make the whole file unfit."""

from pathlib import Path

import pytest

from bursar.sources.csv.faults import HeadingError
from bursar.sources.csv.tables import FINES, GROUPS, USERS, CsvTable
from tests.support.csv_records import read

USERS_HEADING = "primary_id,last_name,first_name,user_group,expiry_date,purge_date"
FINES_HEADING = "fine_id,fine_fee_type,amount,created_at"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.csv"


def find_faults(path: Path, content: str, layout: CsvTable = GROUPS) -> list[str]:
    """Returns the faults of a heading, which is on line 1."""
    with pytest.raises(HeadingError) as error:
        read(path, content, layout)
    assert error.value.line == 1
    return list(error.value.faults)


@pytest.mark.parametrize(
    "heading",
    ["Code,NAME", " CODE , Name\t", '\ufeff"Code","name"', "\ufeff Code,name", "name,code", "\u00a0CODE,name"],
)
def test_case_order_and_blanks_of_names_are_free(path: Path, heading: str) -> None:
    row = "Under,UG" if heading.startswith("name") else "UG,Under"
    assert read(path, f"{heading}\n{row}\n") == [(2, None, "UG", "Under")]


def test_the_type_of_an_identifier_keeps_its_case(path: Path) -> None:
    heading = f"{USERS_HEADING.upper()}, Identifier:Barcode ,IDENTIFIER:BARCODE,identifier: 02,User_ID"
    [(_, fault, *values)] = read(path, f"{heading}\nu1,Ng,,UG,,,1,2,3,4711\n", USERS)
    assert (fault, values[-2:]) == (None, ["4711", '{"Barcode": "1", "BARCODE": "2", "02": "3"}'])


@pytest.mark.parametrize(
    ("heading", "faults"),
    [
        ("", ["the heading is missing; the columns are code, name"]),
        ("code", ["column name is missing"]),
        ("code,name,größe", ['unknown column "größe"; the columns are code, name']),
        ("code,name,identifier:02", ['unknown column "identifier:02"; the columns are code, name']),
        ("code,name,", ['unknown column ""; the columns are code, name']),
        ("code,name, Name", ['column "name" is in the heading 2 times']),
        ("codes,name", ['unknown column "codes"; the columns are code, name', "column code is missing"]),
        (
            'code,"name',
            [
                ("not readable as CSV from here on: a quotation mark is opened and never closed; close it, or double "
                "it if it is part of the value")
            ],
        ),
        ("größe;name2", [("no column is recognised with commas, semicolons, tabs or vertical bars between the columns; "
                         "the columns are code, name")]),
    ],
)  # fmt: skip
def test_the_faults_of_a_heading_are_those_of_the_file(path: Path, heading: str, faults: list[str]) -> None:
    assert find_faults(path, heading + "\nUG,Under\n" if heading else "") == faults


def test_a_file_of_blank_lines_has_no_heading(path: Path) -> None:
    with pytest.raises(HeadingError, match=r"file\.csv:4: the heading is missing; the columns are code, name"):
        read(path, '\n;;\n"",\n')


@pytest.mark.parametrize(
    ("column", "fault"),
    [
        ("identifier:userName", "column identifier:userName is primary_id by another name; leave it out"),
        ("identifier:", ('unknown column "identifier:"; the columns are primary_id, last_name, first_name, user_group, '
                        "expiry_date, purge_date, user_id, identifier:<TYPE>")),
        ("identifier:02,Identifier:02", 'column "identifier:02" is in the heading 2 times'),
        (f"identifier:{'x' * 101}", (f'column "identifier:{"x" * 49}" is an identifier whose type has more than 100 '
                                    "characters")),
    ],
    ids=["primary id", "without type", "twice", "long"],
)  # fmt: skip
def test_an_invalid_identifier_column_is_a_fault(path: Path, column: str, fault: str) -> None:
    assert find_faults(path, f"{USERS_HEADING},{column}\nu1,Ng,,UG,,,x,x\n", USERS) == [fault]


@pytest.mark.parametrize("columns", ["primary_id", "user_id", "primary_id,user_id"])
def test_a_fine_names_its_user_by_one_of_two_columns(path: Path, columns: str) -> None:
    ids = ",".join(f"the {name}" for name in columns.split(","))
    [(_, fault, *values)] = read(
        path, f"{FINES_HEADING},{columns},status,settled_as\nF1,FEE,5,2026,{ids},open,paid\n", FINES
    )
    named = dict(zip(FINES.columns, values, strict=True))
    assert fault is None
    assert {name for name in ("primary_id", "user_id") if named[name] == f"the {name}"} == set(columns.split(","))
    assert (named["status"], named["settled_as"]) == ("open", "paid")


def test_a_heading_of_fines_without_a_column_for_the_user_is_a_fault(path: Path) -> None:
    assert find_faults(path, f"{FINES_HEADING}\n", FINES) == ["column primary_id or user_id is missing"]


def test_a_fault_has_no_control_characters(path: Path) -> None:
    [fault] = find_faults(path, "code,name,a\x1b[2Jb\u202e\nUG,Under,\n")
    assert fault == 'unknown column "a\ufffd[2jb\ufffd"; the columns are code, name'
