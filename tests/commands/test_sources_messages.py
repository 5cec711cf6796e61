"""`bin/bursar sources load` shows a librarian what was rounded, and what is wrong in a file."""

from pathlib import Path

import pytest

from tests.support.cli import run
from tests.support.fixtures import Library

HEADER = "fine_id,primary_id,fine_fee_type,amount,created_at,balance,owner_library"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["F1,user1,OVERDUEFINE,0.333333,2025-03-02,0.333333,MAIN"], "The amounts of 1 fine were rounded"),
        (
            [f"F{n},user1,OVERDUEFINE,3.335,2025-03-02,,MAIN" for n in (1, 2)],
            "The amounts of 2 fines were rounded to the decimals of their currency.",
        ),
    ],
)
def test_rounded_amounts_are_reported(library: Library, tmp_path: Path, rows: list[str], message: str) -> None:
    library.user()
    path = tmp_path / "fines.csv"
    path.write_text("\n".join([HEADER, *rows]), encoding="utf-8")
    assert message in run("sources", "load", "--fines", str(path))
    assert "rounded" not in run("sources", "load", "--fines", str(path))
    assert library.one("SELECT count(*) FROM fines WHERE balance <> round(balance, 2)") == 0


def test_semicolons_are_found_out_and_a_decimal_comma_is_rejected(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "fines.csv"
    path.write_text(HEADER.replace(",", ";") + "\nF1;user1;FEE;1,50;2025-03-02;;MAIN\n", encoding="utf-8")
    output = run("sources", "load", "--fines", str(path))
    assert f'Rejected: {path}:2: amount "1,50" is not a sum such as 12.50; correct it, or name the decimal' in output


def test_a_wrong_separator_is_the_only_error(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "fines.csv"
    path.write_text(f"sep=;\n{HEADER}\nF1,user1,FEE,1;50,2025-03-02,,MAIN\n", encoding="utf-8")
    output = run("sources", "load", "--fines", str(path), exit_code=1)
    assert output == (
        f"Error: {path}:2: the columns are separated by commas, the line sep= says semicolons; save the file with "
        "semicolons between the values, or change what the line sep= says\n"
    )
