"""`bin/bursar sources list`, `check`, `show` and `write-schema`. None of them needs a ledger."""

import csv
import io
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bursar.__main__ import bursar
from bursar.layouts.payments.read import payment_layout_schemas
from bursar.layouts.read import layout_schemas
from bursar.profiles.json_schema import json_schemas
from bursar.sources.read import load_sources, source_schemas
from tests.support.cli import run, run_json
from tests.support.fixtures import make_settings

PROJECT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def no_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no ledger."""
    monkeypatch.delenv("AIRFLOW_CONN_BURSAR_LEDGER")


@pytest.fixture
def sources(include: Path) -> Path:
    """The folder of the sources, with the shipped examples."""
    return Path(shutil.copytree(PROJECT / "include" / "sources.examples", include / "sources"))


def check(*options: str, exit_code: int = 0) -> Result:
    result = CliRunner().invoke(bursar, ["sources", "check", *options], catch_exceptions=False)
    assert result.exit_code == exit_code, result.output
    return result


def test_the_list_is_a_table_for_people(sources: Path) -> None:
    library = sources / "library.yaml"
    library.write_text(library.read_text(encoding="utf-8").replace("active: yes", "active: no"), encoding="utf-8")
    heading, first, second = run("sources", "list").splitlines()
    assert heading.split() == ["Code", "Name", "Kind", "Active", "Folder", "Files", "Schedule"]
    assert first.split("  ")[0] == "LIBRARY"
    assert "  no  " in first
    assert "  library_system:bursar/out  " in first
    assert "users*.csv, fines*.csv, groups*.csv, libraries*.csv" in first
    assert first.rstrip().endswith("  daily at 01:00")
    assert second.split("  ")[0] == "VIENNA"
    assert "  yes  " in second
    assert "  /srv/vienna/fines  " in second


def test_the_list_is_data_for_programs(sources: Path) -> None:
    library, vienna = run_json("sources", "list")
    assert (library["code"], library["complete"], library["files"]["groups"]) == ("LIBRARY", True, "groups*.csv")
    assert (library["currency"], vienna["currency"]) == ("USD", "EUR")
    assert vienna["dialect"]["encoding"] == "windows-1252"
    rows = list(csv.DictReader(io.StringIO(run("sources", "list", "--format", "csv"))))
    assert [row["files.fines"] for row in rows] == ["fines*.csv", "*_gebuehren.csv"]


def test_the_list_names_the_problems_of_other_sources(sources: Path) -> None:
    (sources / "vienna.yaml").write_text("code: VIENNA\n", encoding="utf-8")
    result = CliRunner().invoke(bursar, ["sources", "list", "--format", "csv"], catch_exceptions=False)
    assert [row["code"] for row in csv.DictReader(io.StringIO(result.stdout))] == ["LIBRARY"]
    assert result.stderr == "Found: 1 problem; see `bin/bursar sources check`.\n"


def test_valid_sources_pass_the_check_with_warnings_of_missing_connections(
    sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (sources / "library.yaml").read_text(encoding="utf-8").splitlines()
    [line] = [number for number, text in enumerate(lines, start=1) if text.startswith("connection: ")]
    result = check()
    warning = f"{sources}/library.yaml:{line}: warning: connection: Airflow has no connection library_system"
    assert result.stdout.splitlines() == [warning]
    assert result.stderr == f"2 good sources in {sources}: LIBRARY, VIENNA\n"
    monkeypatch.setenv("AIRFLOW_CONN_LIBRARY_SYSTEM", "sftp://library@localhost")
    assert check().stdout == ""


def test_connections_of_a_source_that_is_not_active_are_not_checked(sources: Path) -> None:
    library = sources / "library.yaml"
    library.write_text(library.read_text(encoding="utf-8").replace("active: yes", "active: no"), encoding="utf-8")
    assert check().stdout == ""


def test_without_airflow_connections_are_not_checked(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")  # as in bin/bursar; Airflow's database has no tables
    result = check()
    assert result.stdout == ""
    assert "Airflow was not reached, so connections were not checked." in result.stderr


def test_every_problem_is_printed_with_file_and_line(sources: Path) -> None:
    path = sources / "vienna.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("complete: no", "complete: nearly"), encoding="utf-8")
    line = path.read_text(encoding="utf-8").splitlines().index("complete: nearly") + 1
    result = check(exit_code=1)
    message = "'nearly' is neither yes nor no: write yes or no"
    assert result.stdout.splitlines()[0] == f"{path}:{line}: complete: {message}"
    assert result.stderr == f"1 good source in {sources}: LIBRARY\n"
    problem, warning = csv.DictReader(io.StringIO(check("--format", "csv", exit_code=1).stdout))
    assert problem == {
        "kind": "problem", "file": str(path), "line": str(line), "column": "", "field": "complete",
        "message": message,
    }  # fmt: skip
    assert warning["kind"] == "warning"


def test_problems_of_the_settings_are_printed_with_file_and_line(sources: Path, include: Path) -> None:
    (include / "bursar.yaml").write_text("institution_id: 1\n", encoding="utf-8")
    assert f"{include}/bursar.yaml:1: institution_name" in check(exit_code=1).stdout


def test_a_source_is_shown_as_yaml_with_its_defaults(sources: Path, tmp_path: Path) -> None:
    shown = run("sources", "show", "VIENNA")
    assert "complete: no\n" in shown
    assert "max_rejected_percent: 10\n" in shown
    assert "connection" not in shown
    (tmp_path / "vienna.yaml").write_text(shown, encoding="utf-8")
    again, problems = load_sources(tmp_path, make_settings())
    assert problems == []
    assert again == load_sources(sources, make_settings(), code="VIENNA")[0]
    assert run_json("sources", "show", "VIENNA")["files"]["fines"] == "*_gebuehren.csv"


def test_control_characters_do_not_reach_the_terminal(sources: Path) -> None:
    path = sources / "vienna.yaml"
    text = path.read_text(encoding="utf-8").replace("name: Library in Vienna", "name: '[red]\u202eVienna'")
    path.write_text(text, encoding="utf-8")
    for command in (("list",), ("show", "VIENNA")):
        shown = run("sources", *command)
        assert "[red]" in shown
        assert "\u202e" not in shown


def test_an_unknown_source_is_an_error_that_names_the_others(sources: Path) -> None:
    (sources / "vienna.yaml").write_text("code: VIENNA\n", encoding="utf-8")
    output = run("sources", "show", "NOBODY", exit_code=2)
    assert "There is no source NOBODY. Known sources: LIBRARY. Found: 1 problem; see `bin/bursar sources" in output


def test_the_schema_is_written(include: Path) -> None:
    (include / "source.schema.json").unlink()
    [record] = run_json("sources", "write-schema")
    assert record == {"path": str(include / "source.schema.json")}
    assert (include / "source.schema.json").read_text(encoding="utf-8") == source_schemas()["source.schema.json"]


def test_each_schema_in_include_is_of_a_model() -> None:
    schemas = json_schemas() | source_schemas() | layout_schemas() | payment_layout_schemas()
    assert {path.name for path in (PROJECT / "include").glob("*.schema.json")} == set(schemas)
