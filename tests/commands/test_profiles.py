"""`bin/bursar profiles check`, `preview` and `write-schema`, on a real ledger."""

from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from bursar.__main__ import bursar
from bursar.commands import profiles
from tests.commands.test_desk import allow_activity
from tests.sources.conftest import GOOD_SOURCE
from tests.support.cli import run
from tests.support.fake_bursar import FakeBursar
from tests.support.fixtures import NOW, Library, make_profile

PROJECT = Path(__file__).parents[2]


def check(exit_code: int = 0) -> Result:
    """Runs `profiles check`; problems are in `stdout`, the rest in `stderr`."""
    result = CliRunner().invoke(bursar, ["profiles", "check"], catch_exceptions=False)
    assert result.exit_code == exit_code, result.output
    return result


def test_valid_profiles_pass_the_check(include: Path) -> None:
    result = check()
    assert all(": warning: " in line for line in result.stdout.splitlines())
    assert result.stderr.startswith(f"5 good profiles in {include}/profiles: CREDITS, MEDICAL, STAFF, STUDENTS")


def test_every_problem_is_printed_with_file_and_line(include: Path) -> None:
    path = include / "profiles" / "medical.yaml"
    path.write_text("code: MEDICAL\nnam: x\n", encoding="utf-8")
    result = check(exit_code=1)
    assert f"{path}:2: nam: unknown key" in result.stdout
    assert all(line.startswith(f"{path}:") or ": warning: " in line for line in result.stdout.splitlines())
    assert "4 good profiles" in result.stderr


def test_a_source_that_may_take_payment_files_is_a_problem_of_both_checks(include: Path) -> None:
    profile = yaml.safe_load((include / "profiles" / "medical.yaml").read_text(encoding="utf-8"))
    (include / "sources").mkdir(exist_ok=True)
    source = include / "sources" / "law.yaml"
    source.write_text(
        GOOD_SOURCE.replace("law_system", profile["sftp_connection"])
        .replace("folder: law/out", f"folder: {profile['import']['input_file_path']}")
        .replace("users*.csv", "users*"),
        encoding="utf-8",
    )
    message = f"{source}:7: files.users: 'users*' and '*.xml', the payment files of the profile MEDICAL, match the same"
    result = check(exit_code=1)
    assert message in result.stdout
    assert "5 good profiles" in result.stderr, "payments are imported all the same"
    result = CliRunner().invoke(bursar, ["sources", "check"], catch_exceptions=False)
    assert result.exit_code == 1
    assert message in result.stdout
    assert "There is no source LAW." in CliRunner().invoke(bursar, ["sources", "load", "LAW"]).output


def test_a_layout_that_a_profile_can_not_use_is_a_problem(include: Path) -> None:
    path = include / "profiles" / "medical.yaml"
    profile = path.read_text(encoding="utf-8")
    path.write_text(profile.replace("export:\n", "export:\n  layout: banner\n", 1), encoding="utf-8")
    line = path.read_text(encoding="utf-8").splitlines().index("  layout: banner") + 1
    assert f"{path}:{line}: export.layout: There is no layout banner: " in check(exit_code=1).stdout
    example = PROJECT / "include" / "layouts.examples" / "banner.yaml"
    (include / "layouts").mkdir()
    (include / "layouts" / "banner.yaml").write_bytes(example.read_bytes())
    assert (
        f"{path}:{line}: export.layout: The layout banner does not show the currency, so" in check(exit_code=1).stdout
    )
    path.write_text(
        profile.replace("export:\n", "export:\n  layout: banner\n  currencies: [USD]\n", 1), encoding="utf-8"
    )
    check()


def set_pattern(include: Path, pattern: str) -> Path:
    """Gives a profile an identifier pattern; returns its file."""
    path = include / "profiles" / "medical.yaml"
    profile = path.read_text(encoding="utf-8")
    path.write_text(profile.replace("export:\n", f"export:\n  identifier_pattern: '{pattern}'\n", 1), encoding="utf-8")
    return path


def test_the_ledger_checks_identifier_patterns(include: Path) -> None:
    assert "identifier_pattern" in (include / "profiles" / "students.yaml").read_text(encoding="utf-8")
    path = set_pattern(include, "[A-Z")
    line = path.read_text(encoding="utf-8").splitlines().index("  identifier_pattern: '[A-Z'") + 1
    result = check(exit_code=1)
    assert result.stdout.splitlines()[0] == (
        f"{path}:{line}: export.identifier_pattern: '[A-Z' is not valid: PostgreSQL reports 'invalid regular "
        "expression: brackets [] not balanced'"
    )
    assert "profiles: CREDITS, STAFF, STUDENTS, SUMMER_SCHOOL\n" in result.stderr


def test_without_a_ledger_identifier_patterns_are_not_checked(include: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_pattern(include, "[A-Z")
    for connection in (None, "postgres://bursar@127.0.0.1:1/ledger"):
        if connection:
            monkeypatch.setenv("AIRFLOW_CONN_BURSAR_LEDGER", connection)
        else:
            monkeypatch.delenv("AIRFLOW_CONN_BURSAR_LEDGER")
        result = check()
        assert "the ledger has no" not in result.stdout
        assert result.stderr.startswith("5 good profiles")
        assert "The ledger was not reached, so patterns, libraries, groups and types were not checked." in result.stderr


def test_problems_of_the_settings_are_printed_with_file_and_line(include: Path) -> None:
    path = include / "bursar.yaml"
    path.write_text("institution_id: 1\n", encoding="utf-8")
    assert f"{path}:1: institution_name" in check(exit_code=1).stdout


def test_the_schemas_are_written(include: Path) -> None:
    (include / "profile.schema.json").unlink()
    run("profiles", "write-schema")
    assert (include / "profile.schema.json").read_bytes() == (PROJECT / "include" / "profile.schema.json").read_bytes()


def test_the_preview_shows_what_is_exported_and_why_the_rest_is_skipped(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiles, "get_profile", lambda code: make_profile(code=code, time_before_export_days=7))
    library.fine(library.user("00000001", last="Goes\x1b[2J"), "12.50")
    library.fine(library.user(None, last="[bold]Stays"), "1.00", kind="[red]LOST")
    library.fine(library.user("00000002", last="كاملة"), "7.00")
    library.fine(amount="2.00", created=NOW - timedelta(days=1))
    output = run("profiles", "preview", "STUDENTS", "--as-of", "2026-03-02T07:00")
    assert "Would be exported: 2 fines of 2 users" in output
    assert "charges 19.50 USD" in output
    assert "(younger than the time before export): 1 fine of 1 user, 2.00 USD" in output
    assert "no identifier of the profile's type): 1 fine of 1 user, 1.00 USD" in output
    assert "[bold]Stays" in output
    assert "[red]LOST" in output
    assert "كاملة, Tim\N{LEFT-TO-RIGHT MARK}  " in output
    assert "\x1b[2J" not in output
    assert library.one("SELECT count(*) FROM batches") == 0


def test_the_preview_shows_reversals(library: Library, include: Path) -> None:
    fine, _ = FakeBursar(library).export_fine("10.00", owner=None)
    allow_activity(include)
    run("desk", "pay", str(fine))
    output = run("profiles", "preview", "STUDENTS")
    assert "credits -10.00 USD (of them reversals -10.00 USD)" in output
    assert "reversal" in output
