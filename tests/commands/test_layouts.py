"""`bin/bursar layouts`: lists, checks and tries layouts."""

import json
import shutil
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner, Result

from bursar.__main__ import bursar
from bursar.exports.selection import select_fines
from bursar.layouts.read import layout_schemas
from tests.support.cli import run, run_json
from tests.support.fixtures import NOW, Library, make_profile, make_settings

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def layouts(include: Path) -> Path:
    """The folder of the layouts, with the shipped examples."""
    return Path(shutil.copytree(PROJECT / "include" / "layouts.examples", include / "layouts", dirs_exist_ok=True))


def check(exit_code: int) -> Result:
    result = CliRunner().invoke(bursar, ["layouts", "check"], catch_exceptions=False)
    assert result.exit_code == exit_code, result.output
    return result


def test_the_list_has_the_valid_layouts(layouts: Path) -> None:
    (layouts / "wrong.yaml").write_text("kind: fixed\n", encoding="utf-8")
    result = CliRunner().invoke(bursar, ["layouts", "list", "--format", "json"], catch_exceptions=False)
    rows = json.loads(result.stdout)
    assert result.stderr == "Found: 2 problems; see `bin/bursar layouts check`.\n"
    assert [row["name"] for row in rows] == sorted(path.stem for path in layouts.glob("*.yaml") if path.stem != "wrong")
    assert rows[0] == {
        "name": "banner",
        "for": "export",
        "kind": "delimited",
        "encoding": "utf-8",
        "file_name": "library_{exported_on:%Y%m%d}_{batch}.csv",
    }


def test_the_check_prints_each_problem_with_its_line(layouts: Path) -> None:
    path = layouts / "wrong.yaml"
    path.write_text("kind: fixed\nencoding: ascii\nrecords: [{each: fine, columns: [{at: 1-0}]}]\n", encoding="utf-8")
    result = check(exit_code=1)
    assert f"{path}:3:35: records.columns.at: '1-0' is no position in a line: write the first and" in result.stdout
    assert "4 good layouts in " in result.stderr


def test_the_check_warns_about_layouts_whose_payments_can_not_be_matched(layouts: Path) -> None:
    result = check(exit_code=0)
    assert f"{layouts / 'one_line_per_user.yaml'}:1: warning: records: no line of a fine has" in result.stdout
    assert "banner.yaml" not in result.stdout


def test_a_fixed_layout_is_tried_with_a_ruler_and_invented_fines(layouts: Path, library: Library) -> None:
    name, ruler, heading, *lines = run("layouts", "try", "peoplesoft").splitlines()
    assert name.startswith("LIBFINES_20")
    assert (
        ruler == "----+--- 1----+--- 2----+--- 3----+--- 4----+--- 5----+--- 6----+--- 7----+--- 8----+--- 9----+---10"
    )
    assert heading.startswith("HLIB0120")
    assert lines[0].startswith("D00123456   2400000120002")
    assert lines[-1].startswith("T0000000500000000001259000000000000072500000000000118650")


def test_a_layout_with_two_files_is_tried_with_both(layouts: Path, library: Library) -> None:
    output = run("layouts", "try", "charges_and_credits")
    charges, credits_ = output.split("b.dat", 1)
    assert [charges.count("LIB02"), credits_.count("LIB02")] == [1, 1]
    assert ("000012.50" in charges, "000007.25" in credits_, "000007.25" in charges) == (True, True, False)
    files = run_json("layouts", "try", "charges_and_credits")
    assert [len(file["lines"]) for file in files] == [5, 2]


def test_the_check_warns_if_a_layout_encrypts_and_the_machine_has_no_gpg(
    layouts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = layouts / "banner.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "\nencrypt: pgp\n", encoding="utf-8")
    assert "gpg" not in check(exit_code=0).stdout
    monkeypatch.setenv("PATH", str(layouts))
    assert f"{path}:1: warning: encrypt: Files are to be encrypted (`encrypt: pgp`)" in check(exit_code=0).stdout


def test_a_batch_is_tried_in_a_layout_and_what_does_not_fit_is_listed(layouts: Path, library: Library) -> None:
    library.fine(library.user("0012345678"))
    library.fine(library.user("123"))
    profile = make_profile(identifier_pattern="[0-9]*")
    batch = select_fines(library.ledger, profile, make_settings(), run_id="1", as_of=NOW)
    tried = run_json("layouts", "try", "banner", "--batch", str(batch.id))
    assert [line.split(",")[0] for line in tried["lines"]] == ["ID", "123"]
    column = "record 1, name: ID: {identifier} is '0012345678', 10 characters, longer than the column (9)"
    assert tried["unfit"] == {"1": {"reason": "too_long", "column": column}}
    shown = " ".join(run("layouts", "try", "banner", "--batch", str(batch.id)).split())
    assert "a text is longer than its column in the layout" in shown
    assert "10 characters, longer than the column (9)" in shown
    assert run_json("batches", "show", str(batch.id))["file_name"] == batch.file_name


def test_a_layout_of_which_nothing_fits_has_no_file(layouts: Path, library: Library) -> None:
    text = 'kind: delimited\nrecords: [{each: fine, columns: [{value: "{identifier}", most: 1}]}]\n'
    (layouts / "narrow.yaml").write_text(text, encoding="utf-8")
    assert "No fine fits, so there would be no file." in run("layouts", "try", "narrow")


def test_a_trailer_that_does_not_fit_is_named(layouts: Path, library: Library) -> None:
    text = """
        kind: delimited
        records:
          - {each: fine, columns: [{value: "{transaction_id}"}, {value: "{amount:0.00}"}]}
          - {each: file, columns: [{name: total, value: "{charges:0.00}", most: 3}, {value: x}]}
    """
    (layouts / "narrow.yaml").write_text(dedent(text), encoding="utf-8")
    problem = "record 2, name: total: {charges:0.00} is '125.90', 6 characters, longer than the column (3)"
    assert run_json("layouts", "try", "narrow")["problem"] == problem
    assert f"An export of these fines would fail: {problem}." in run("layouts", "try", "narrow")
    assert run_json("layouts", "try", "banner")["problem"] is None


def test_a_missing_layout_is_an_error_that_names_the_others(layouts: Path) -> None:
    assert "There is no layout bannr" in run("layouts", "try", "bannr", exit_code=2)


def test_the_schema_is_written(include: Path) -> None:
    (include / "layout.schema.json").unlink()
    run("layouts", "write-schema")
    assert (include / "layout.schema.json").read_text(encoding="utf-8") == layout_schemas()["layout.schema.json"]
