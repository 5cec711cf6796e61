"""The output of commands: hostile text is shown as text, unknown names are shown, and counts have their singular.

The module is long because one set of hostile texts is shown by every command.
"""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from bursar.airflow import profile_store
from bursar.commands import context, profiles
from bursar.described_enum import DescribedEnum
from bursar.exports.selection import select_fines
from bursar.exports.skip_reason import SkipReason
from bursar.ledger import desk
from bursar.ledger.jobs import Job
from bursar.ledger.totals import CurrencyTotals, OutcomeTotals, Skipped
from bursar.reporting.run_report import RunOutcome, RunReport, record_report
from bursar.users.purging import PurgeParams, purge_users
from bursar.users.waiving import WaiveParams, waive_fines
from tests.support.cli import run
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fixtures import NOW, Library, make_profile, make_settings
from tests.support.plurals import find_wrong_plurals

HOSTILE = "[red]x[/] :bomb: \x1b[2J"
SHOWN = "[red]x[/]:bomb:\N{REPLACEMENT CHARACTER}[2J"  # without the spaces, at which a table breaks lines


@pytest.fixture(autouse=True)
def wide_console(connection: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the console so wide that no table wraps its lines."""
    monkeypatch.setattr(context.console, "_width", 400)


def show(*arguments: str, times: int = 1, exit_code: int = 0) -> str:
    """Runs a command that must print the hostile text so often, as text; returns the output."""
    output = run(*arguments, exit_code=exit_code)
    assert "\x1b" not in output
    assert "".join(output.split()).count(SHOWN) == times, output
    return output


@pytest.fixture
def hostile_library(library: Library, owned_ledger: Engine) -> Library:
    """Returns a ledger in which every text from outside is hostile, and some names are unknown."""
    office = FakeBursar(library)
    _, transaction = office.export_fine("10.00")
    office.pay(Payment(transaction, "4"), Payment(transaction, "0"))
    with library.ledger.begin() as connection:
        desk.pay(connection, library.fine(), None, HOSTILE, allow_activity_on_transferred_finesfees=False)
    statements = """
        UPDATE fines SET fine_fee_type = :hostile, comment = :hostile, source_id = :hostile || id WHERE amount > 0;
        UPDATE users SET last_name = :hostile;
        UPDATE identifiers SET value = :hostile || user_id WHERE type = 'userName';
        UPDATE batches SET profile = :hostile, run_id = :hostile; UPDATE batch_files SET file_name = :hostile;
        UPDATE deliveries SET run_id = :hostile, remote_folder = :hostile;
        UPDATE import_files SET profile = :hostile, name = :hostile, outcomes = outcomes || '{"NEW": {"records": 1}}';
        UPDATE import_records SET sum = :hostile WHERE outcome = 'NO_PAYMENT';
        INSERT INTO deliveries (batch_id, file_number, kind, run_id, requested_by, remote_folder, delivered_at)
            SELECT batch_id, number, 'resend', 'again', :hostile, :hostile, now() FROM batch_files
    """
    with owned_ledger.begin() as connection:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        for statement in statements.replace("\n", " ").split("; "):
            connection.execute(text(statement), {"hostile": HOSTILE})
    return library


def test_a_fine_is_shown_as_text(hostile_library: Library) -> None:
    show("fines", "show", "1", times=13)
    show("fines", "show", "2", times=6)


def test_the_desk_prints_names_as_text(hostile_library: Library) -> None:
    show("desk", "dispute", "1", "--comment", "no", exit_code=1, times=0)
    fine = hostile_library.fine(kind=HOSTILE)
    show("desk", "dispute", str(fine), "--comment", "no")


def test_lists_of_batches_and_files_show_names_as_text(hostile_library: Library, owned_ledger: Engine) -> None:
    show("batches", "list", "--all", times=2)
    assert "1 NEW" in show("imports", "list", times=2)
    with owned_ledger.begin() as connection:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        connection.execute(text("UPDATE batches SET closed_at = NULL"))
        connection.execute(text("UPDATE deliveries SET delivered_at = NULL, unclear_at = now()"))
    show("batches", "list", times=5)
    show("batches", "show", "1", times=10)


def test_runs_show_names_as_text(library: Library) -> None:
    left = Skipped(1, 1, {"USD": Decimal(1)})
    report = RunReport(
        job=Job.EXPORT,
        profile=HOSTILE,
        run_id=HOSTILE,
        started_at=NOW,
        ended_at=NOW,
        outcome=RunOutcome.FAILED,
        files=(HOSTILE,),
        skipped={HOSTILE: left},
        rejects={HOSTILE: OutcomeTotals(1, {HOSTILE: Decimal(1)})},
        task_timings={HOSTILE: 1.0},
        messages=(HOSTILE,),
    )
    record_report(library.ledger, report)
    show("runs", "list")
    show("runs", "show", "1", times=8)
    show("runs", "list", "--profile", f"{HOSTILE}?", exit_code=2)


def test_the_preview_shows_names_as_text(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = make_profile(fine_fee_types=["LOST"]).model_copy(update={"name": HOSTILE})
    monkeypatch.setattr(profiles, "get_profile", lambda _code: profile)
    library.fine(library.user(HOSTILE, last=HOSTILE), kind=HOSTILE)
    show("profiles", "preview", "STUDENTS", times=4)


@pytest.mark.parametrize(
    "arguments",
    [
        ("users", "delete", HOSTILE, "--yes"),
        ("profiles", "preview", HOSTILE),
        ("profiles", "test-connection", HOSTILE),
    ],
)
def test_an_error_shows_names_as_text(library: Library, arguments: tuple[str, ...]) -> None:
    show(*arguments, exit_code=2)


def test_the_error_of_an_unknown_fine_shows_the_id_as_text(library: Library) -> None:
    show("fines", "show", HOSTILE, exit_code=2, times=2)


def test_json_has_no_control_characters(hostile_library: Library) -> None:
    for command in (
        ("batches", "list", "--all"),
        ("batches", "show", "1"),
        ("imports", "list"),
        ("fines", "show", "1"),
    ):
        output = run(*command, "--format", "json")
        assert output.isascii()
        assert "\x1b" not in output
        assert HOSTILE in str(json.loads(output)).replace("\\x1b", "\x1b")


def test_problems_of_profiles_show_keys_as_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (context, profiles, profile_store):
        monkeypatch.setattr(module, "INCLUDE", tmp_path)
    key = HOSTILE.replace("\x1b", "\\x1b")
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "law.yaml").write_text(f'"{key}": x\n', encoding="utf-8")
    (tmp_path / "bursar.yaml").write_text(
        "institution_name: A\ninstitution_id: 1\ndefault_currency: USD\ntime_zone: UTC\n", encoding="utf-8"
    )
    show("profiles", "check", exit_code=1)


def test_maintenance_jobs_show_names_as_text_and_unknown_reasons(library: Library, owned_ledger: Engine) -> None:
    library.user(purge=date(2020, 1, 1))
    choices = PurgeParams.of_form({"dry_run": True})
    purge_users(library.ledger, choices, make_settings(), run_id=HOSTILE, as_of=NOW)
    left = {HOSTILE: {"fines": 0, "users": 1, "net": {}}, "not_yet_known": {"fines": 0, "users": 2, "net": {}}}
    with owned_ledger.begin() as connection:
        connection.execute(text("UPDATE maintenance_jobs SET skipped = :left"), {"left": json.dumps(left)})
        connection.execute(text("UPDATE maintenance_job_results SET reason = 'not_yet_known'"))
    assert "2 users: not_yet_known" in show("jobs", "list")
    assert run("jobs", "results", "1", "--format", "csv").splitlines()[1].endswith(",not_yet_known,,")


def test_the_preview_shows_unknown_reasons(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {reason.name: (reason.value, reason.description) for reason in SkipReason if reason != "other_type"}
    monkeypatch.setattr(profiles, "SkipReason", DescribedEnum("SkipReason", known))  # type: ignore[arg-type]
    monkeypatch.setattr(profiles, "get_profile", lambda _code: make_profile(fine_fee_types=["LOST"]))
    library.fine()
    assert "Would be skipped (other_type): 1 fine of 1 user, 12.50 USD" in run("profiles", "preview", "STUDENTS")


@pytest.mark.parametrize("width", [20, 80])
def test_no_cell_is_shortened_on_a_narrow_screen(library: Library, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    totals = {"USD": CurrencyTotals(Decimal("1234567.89"), Decimal("-0.10"))}
    report = RunReport(
        job=Job.EXPORT,
        profile="STUDENTS",
        run_id="run",
        started_at=NOW,
        ended_at=NOW,
        outcome=RunOutcome.WITH_WARNINGS,
        totals=totals,
        skipped={"disputed": Skipped(1, 1, {"USD": Decimal("7654321.00")})},
    )
    record_report(library.ledger, report)
    fine, _ = FakeBursar(library).export_fine("1234567.89")
    file = library.one("SELECT file_name FROM batch_files")
    monkeypatch.setattr(context.console, "_width", width)
    output = [
        run("runs", "list"),
        run("runs", "show", "1"),
        run("batches", "list", "--all"),
        run("fines", "show", str(fine)),
        run("profiles", "preview", "STUDENTS"),
    ]
    assert "1,234,567.79" in output[0]
    assert "7,654,321.00 USD" in output[1]
    assert file in output[2]
    assert "+1,234,567.89 USD" in output[3]
    assert "\N{HORIZONTAL ELLIPSIS}" not in "".join(output)


def write_include(folder: Path) -> None:
    """Writes settings, one good profile and one with a problem."""
    (folder / "profiles").mkdir()
    settings = make_settings().model_dump(mode="json", include={"institution_name", "institution_id"})
    settings |= {"default_currency": "USD", "time_zone": "UTC", "work_dir": str(folder / "staging")}
    (folder / "bursar.yaml").write_text(json.dumps(settings), encoding="utf-8")
    profile = make_profile().model_dump(mode="json", by_alias=True)
    (folder / "profiles" / "students.yaml").write_text(json.dumps(profile), encoding="utf-8")
    (folder / "profiles" / "wrong.yaml").write_text("{code: wrong", encoding="utf-8")


def test_the_output_of_commands_has_the_singular(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="bursar")
    for module in (context, profiles, profile_store):
        monkeypatch.setattr(module, "INCLUDE", tmp_path)
    write_include(tmp_path)
    office = FakeBursar(library)
    user = library.user(purge=date(2020, 1, 1))
    fine = library.fine(user, "1.00")
    output = [
        run("profiles", "check", exit_code=1),
        run("profiles", "preview", "STUDENTS"),
        run("profiles", "preview", "NOBODY", exit_code=2),
        run("users", "delete", str(user), "--yes", exit_code=1),
    ]
    select_fines(library.ledger, make_profile(), make_settings(), run_id="run 1", as_of=NOW)
    output += [
        run("batches", "list"),
        run("batches", "build-file", "1", "--into", str(tmp_path)),
        run("batches", "release", "1"),
    ]
    office.export()
    output += [run("batches", "list", "--all"), run("fines", "show", str(fine))]
    office.pay(Payment(office.get_transaction(fine), "0"))
    office.pay(Payment(office.get_transaction(fine), "1.00"))
    output += [run("imports", "list"), run("imports", "rejects", "1")]
    library.fine(library.user(purge=date(2020, 1, 1)), "1.00")
    waive = WaiveParams.of_form({"threshold": "5", "reason": "amnesty", "dry_run": False})
    waive_fines(library.ledger, waive, make_settings(), run_id="waive", as_of=NOW)
    purge = PurgeParams.of_form({"dry_run": True})
    purge_users(library.ledger, purge, make_settings(), run_id="purge", as_of=NOW)
    output += [run("jobs", "list"), run("jobs", "results", "1")]
    csv_file = tmp_path / "groups.csv"
    csv_file.write_text("code,name\nLAW,Law\n", encoding="utf-8")
    output.append(run("sources", "load", "--groups", str(csv_file)))
    csv_file.write_text("code,name\nLAW\n", encoding="utf-8")
    output.append(run("sources", "load", "--groups", str(csv_file)))
    output.append(run("sources", "load", "--strict", "--groups", str(csv_file), exit_code=1))
    output += [
        run("sources", "loads", "list"),
        run("sources", "loads", "show", "2"),
        run("sources", "loads", "rejects", "2"),
    ]
    for said in (
        "1 good profile in ",
        "Found: 1 problem;",
        "1 fine of 1 user",
        "Open again: 1 fine.",
        "1 fine is considered active",
    ):
        assert said in "".join(output)
    assert find_wrong_plurals("\n".join([*output, caplog.text])) == []
