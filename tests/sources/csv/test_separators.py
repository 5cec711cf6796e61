"""The separator of a CSV file: found in its heading, or said by the source or by the file."""

from pathlib import Path

import pytest

from bursar.sources.csv.dialect import SEPARATORS, Dialect
from bursar.sources.csv.faults import HeadingError
from bursar.sources.csv.tables import FINES, GROUPS, USERS, CsvTable
from tests.support.csv_records import read

USERS_HEADING = "primary_id,last_name,first_name,user_group,expiry_date,purge_date,identifier:02"
FINES_HEADING = "fine_id,primary_id,fine_fee_type,amount,created_at,balance"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.csv"


def find_fault(path: Path, content: str, separator: str = "auto", layout: CsvTable = GROUPS) -> str:
    """Returns the only fault of a file."""
    with pytest.raises(HeadingError) as error:
        read(path, content, layout, Dialect(separator=separator))
    [fault] = error.value.faults
    return fault


@pytest.mark.parametrize("name", SEPARATORS)
@pytest.mark.parametrize("said", [False, True])
@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("start", ["", "\ufeff", "\n\r\n"])
@pytest.mark.parametrize(("layout", "heading"), [(GROUPS, "code,name"), (USERS, USERS_HEADING), (FINES, FINES_HEADING)])
def test_a_separator_is_found_or_said(
    path: Path, name: str, said: bool, quoted: bool, start: str, layout: CsvTable, heading: str
) -> None:
    columns = [f'"{column}"' if quoted else column for column in heading.split(",")]
    row = SEPARATORS[name].join(f"v{number}" for number in range(len(columns)))
    content = f"{start}{SEPARATORS[name].join(columns)}\r\n{row}\r\n"
    [(_, fault, *values)] = read(path, content, layout, Dialect(separator=name if said else "auto"))
    assert fault is None
    assert values[:2] == ["v0", "v2" if layout is FINES else "v1"]


@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"', '"sep=;";;', "sep=; "])
def test_a_line_that_names_the_separator_is_skipped(path: Path, line: str) -> None:
    assert read(path, f"\ufeff{line}\r\ncode;name\r\nUG;Under\r\n") == [(3, None, "UG", "Under")]


def test_a_tab_can_be_named_too(path: Path) -> None:
    assert read(path, "sep=\t\ncode\tname\nUG\tUnder\n") == [(3, None, "UG", "Under")]


def test_the_source_has_the_last_word_on_the_separator(path: Path) -> None:
    assert read(path, "sep=;\ncode,name\nUG,Under\n", GROUPS, Dialect(separator="comma")) == [(3, None, "UG", "Under")]


@pytest.mark.parametrize(
    ("content", "said", "fault"),
    [
        (
            "code;name\n",
            "comma",
            (
                "the columns are separated by semicolons, the source says commas; save the file with commas between "
                "the values, or change what the source says"
            ),
        ),
        (
            "code,name\n",
            "vertical bar",
            (
                "the columns are separated by commas, the source says vertical bars; save the file with vertical bars "
                "between the values, or change what the source says"
            ),
        ),
        (
            "sep=;\ncode\tname\n",
            "auto",
            (
                "the columns are separated by tabs, the line sep= says semicolons; save the file with semicolons "
                "between the values, or change what the line sep= says"
            ),
        ),
        (
            "sep=:\ncode:name\n",
            "auto",
            'the line sep= names ":", but the columns can be separated by commas, semicolons, tabs or vertical bars',
        ),
        (
            "kode;naam\n",
            "semicolon",
            "no column is recognised with semicolons between the columns; the columns are code, name",
        ),
    ],
)
def test_a_wrong_separator_is_the_only_fault(path: Path, content: str, said: str, fault: str) -> None:
    assert find_fault(path, content + "UG,Under\n", said) == fault


def test_an_unknown_column_is_reported_with_any_separator(path: Path) -> None:
    with pytest.raises(HeadingError) as error:
        read(path, "id;amount\n1;2\n", FINES)
    assert error.value.faults[0].startswith('unknown column "id"; the columns are fine_id, fine_fee_type')


def test_another_number_of_values_names_the_separator(path: Path) -> None:
    [(_, fault, *_)] = read(path, "code;name\nUG;a;b\n")
    assert fault.reason == "3 values for 2 columns"
    assert fault.remedy == "a value with a semicolon in it needs quotation marks"


@pytest.mark.parametrize("name", SEPARATORS)
def test_other_separators_may_be_part_of_values(path: Path, name: str) -> None:
    values = [f"a{separator}b" for other, separator in SEPARATORS.items() if other != name]
    text = "".join(values)
    assert read(path, f"code{SEPARATORS[name]}name\nUG{SEPARATORS[name]}{text}\n") == [(2, None, "UG", text)]
