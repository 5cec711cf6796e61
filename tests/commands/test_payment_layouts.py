"""`bin/bursar layouts` with layouts of payments: they are listed and checked, and show what they read in a file."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from bursar.__main__ import bursar
from bursar.layouts.payments.read import load_payment_layouts, payment_layout_schemas
from tests.support.fixtures import make_profile

PROJECT = Path(__file__).parents[2]
EXAMPLES = PROJECT / "include" / "layouts.examples" / "payments"
ROWS = (
    "Belegnummer;Zahlungseingang;Zahlungsdatum\r\n501;12,50;01.03.2026\r\n502;0,00;\r\n503;12.50;01.03.2026\r\n"
    "504;-3,00;02.03.2026\r\n"
)


@pytest.fixture
def layouts(include: Path) -> Path:
    """The folder of the layouts, with the shipped examples of payments."""
    return Path(shutil.copytree(EXAMPLES, include / "layouts", dirs_exist_ok=True))


def run(*arguments: str, exit_code: int = 0) -> str:
    result = CliRunner().invoke(bursar, arguments, catch_exceptions=False)
    assert result.exit_code == exit_code, result.output
    return result.output


def test_the_examples_are_valid_and_listed(layouts: Path) -> None:
    good, problems = load_payment_layouts(layouts)
    assert problems == []
    assert sorted(good) == ["positions", "semicolons", "totals_of_users", "users_and_items"]
    rows = json.loads(run("layouts", "list", "--format", "json"))
    assert [row["name"] for row in rows if row["for"] == "payments"] == sorted(good)
    assert "4 good layouts in" in run("layouts", "check")


def test_the_check_reports_wrong_layouts_and_unknown_purposes(layouts: Path) -> None:
    (layouts / "wrong.yaml").write_text("for: payments\nkind: fixed\n", encoding="utf-8")
    (layouts / "typing_error.yaml").write_text("for: payment\n", encoding="utf-8")
    output = run("layouts", "check", exit_code=1)
    assert "wrong.yaml:1: fields: is missing: The fields of a payment, and where each is." in output
    assert "typing_error.yaml:1:1: for: 'payment' is not known here" in output


def test_a_file_is_read_and_shown_with_its_problems(layouts: Path, tmp_path: Path) -> None:
    file = tmp_path / "march.csv"
    file.write_bytes(ROWS.encode())
    rows = json.loads(run("layouts", "read", "semicolons", str(file), "--format", "json"))
    assert [(row["line"], row["transaction_id"], row["sum"], row["problem"]) for row in rows] == [
        (2, "501", "12.50", None),
        (4, "503", None, "sum (column Zahlungseingang) is '12.50', and not a sum such as 12,50"),
        (5, "504", "-3.00", None),
    ]
    output = run("layouts", "read", "semicolons", str(file), "--limit", "1")
    assert "The file has 3 payments, 1 with a problem. Shown: 1." in output


def test_a_file_that_an_import_would_reject_is_an_error(layouts: Path, tmp_path: Path) -> None:
    file = tmp_path / "march.csv"
    file.write_bytes(b"Beleg,Sum\r\n1,2\r\n")
    output = run("layouts", "read", "semicolons", str(file), exit_code=1)
    assert (
        "march.csv:1: the column 'Belegnummer' is missing. Found: 'Beleg,Sum'. The columns may be separated" in output
    )


def test_the_schema_in_include_is_up_to_date() -> None:
    for name, schema in payment_layout_schemas().items():
        assert (EXAMPLES.parents[1] / name).read_text(encoding="utf-8") == schema, "`bin/bursar layouts write-schema`"


def test_a_profile_whose_payment_layout_is_missing_is_a_problem(include: Path) -> None:
    from bursar.reporting.layout_problems import list_layout_problems  # noqa: PLC0415

    profile = make_profile()
    section = profile.import_.model_copy(update={"layout": "nowhere"})
    path = include / "profiles" / "students.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text("code: STUDENTS\nimport:\n  layout: nowhere\n", encoding="utf-8")
    (problem,) = list_layout_problems(path.parent, [profile.model_copy(update={"import_": section})])
    assert (problem.line, problem.field) == (3, "import.layout")
    assert "There is no layout nowhere" in problem.message
