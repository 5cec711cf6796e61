"""A CSV file with another separator than commas: the message names the separator, and nothing else."""

from pathlib import Path

import pytest

from bursar.sources.csv.reader import FINES, GROUPS, USERS, CsvTable, records

USERS_HEADER = "primary_id,last_name,first_name,user_group,expiry_date,purge_date,identifier:02"
FINES_HEADER = "fine_id,primary_id,fine_fee_type,amount,created_at,balance"


@pytest.mark.parametrize(("separator", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")])
@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("start", ["", "\ufeff", "\n\r\n"])
@pytest.mark.parametrize(
    ("layout", "header"), [(GROUPS, "code,name"), (USERS, USERS_HEADER), (FINES, FINES_HEADER), (FINES, "id,amount")]
)
def test_another_separator_is_the_only_error(
    tmp_path: Path, separator: str, name: str, quoted: bool, start: str, layout: CsvTable, header: str
) -> None:
    path = tmp_path / "file.csv"
    columns = [f'"{column}"' if quoted else column for column in header.split(",")]
    row = separator.join(str(number) for number in range(len(columns)))
    path.write_text(f"{start}{separator.join(columns)}\r\n{row}\r\n", encoding="utf-8", newline="")
    [(_, fault, *values)] = records(path, layout)
    assert fault == f"the columns are separated by {name}; save the file with commas between the values"
    assert set(values) == {None}


@pytest.mark.parametrize("header", ["code,name,a;b", "code,name,a\tb", "code", "something;else"])
def test_a_header_that_names_no_columns_between_other_separators_gets_the_other_errors(
    tmp_path: Path, header: str
) -> None:
    path = tmp_path / "file.csv"
    path.write_text(f"{header}\nUG,Under\n", encoding="utf-8")
    faults = [str(fault) for _, fault, *_ in records(path, GROUPS)]
    assert faults
    assert not any("separated by" in fault for fault in faults)


def test_other_separators_may_be_part_of_values(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text("code,name\nUG,Under; graduate\tor|not\n", encoding="utf-8")
    assert list(records(path, GROUPS)) == [(2, None, "UG", "Under; graduate\tor|not")]
