"""`bin/bursar` as an operator sees it, on a real ledger."""

import json
from datetime import date, timedelta
from decimal import Decimal
from getpass import getuser
from pathlib import Path
from shutil import copytree
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, text
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from bursar.__main__ import bursar
from bursar.commands import context, exports, profiles
from bursar.exports.close import close_fines
from bursar.exports.selection import select_fines
from bursar.ledger.jobs import Job
from bursar.ledger.totals import CurrencyTotals, OutcomeTotals, Skipped
from bursar.reporting.run_report import RunOutcome, RunReport, record_report
from bursar.users.purging import PurgeParams, purge_users
from demo.postgres import Postgres
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fixtures import NOW, Library, make_profile, make_settings

PROJECT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def connection(postgres: Postgres, empty_ledger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow's connection to the tests' ledger."""
    values = {"conn_type": "postgres", "host": str(postgres.sockets), "login": "postgres", "schema": empty_ledger}
    monkeypatch.setenv("AIRFLOW_CONN_BURSAR_LEDGER", json.dumps(values))


@pytest.fixture
def include(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of include/ that a test may spoil."""
    copy = copytree(PROJECT / "include", tmp_path / "include")
    for module in (context, profiles):
        monkeypatch.setattr(module, "INCLUDE", copy)
    return copy


def run(*arguments: str, exit_code: int = 0) -> Result:
    context.console.width = 200
    result = CliRunner().invoke(bursar, arguments, catch_exceptions=False)
    assert result.exit_code == exit_code, result.output
    return result


@pytest.fixture(autouse=True)
def printed_where_the_runner_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context.console, "_file", None)


def all_commands(group: click.Group, path: str = "") -> list[tuple[str, click.Command]]:
    found: list[tuple[str, click.Command]] = []
    for name, command in group.commands.items():
        found.append((f"{path} {name}".strip(), command))
        if isinstance(command, click.Group):
            found += all_commands(command, f"{path} {name}")
    return found


@pytest.mark.parametrize(("name", "command"), all_commands(bursar))
def test_every_command_says_what_it_does(name: str, command: click.Command) -> None:
    assert command.help
    assert all(parameter.help for parameter in command.params if isinstance(parameter, click.Option))
    assert run(*name.split(), "--help").output.startswith("Usage:")


@pytest.mark.parametrize(
    "name", [name for name, command in all_commands(bursar) if not isinstance(command, click.Group)]
)
def test_every_command_stands_in_the_readme(name: str) -> None:
    assert f"bin/bursar {name}" in (PROJECT / "README.md").read_text(encoding="utf-8")


def test_good_profiles_pass_the_check(include: Path) -> None:
    result = run("profiles", "check")
    assert result.stdout == ""
    assert result.stderr.startswith("5 good profiles: CREDITS, MEDICAL, STAFF, STUDENTS")


def test_every_problem_is_printed_with_file_and_line(include: Path) -> None:
    path = include / "profiles" / "medical.yaml"
    path.write_text("code: MEDICAL\nnam: x\n", encoding="utf-8")
    result = run("profiles", "check", exit_code=1)
    assert f"{path}:2: nam: unknown key" in result.stdout
    assert all(line.startswith(f"{path}:") for line in result.stdout.splitlines())
    assert "4 good profiles" in result.stderr


def set_pattern(include: Path, pattern: str) -> Path:
    """Gives a profile an identifier pattern; returns its file."""
    path = include / "profiles" / "medical.yaml"
    profile = path.read_text(encoding="utf-8")
    path.write_text(profile.replace("export:\n", f"export:\n  identifier_pattern: '{pattern}'\n", 1), encoding="utf-8")
    return path


def test_the_ledger_checks_identifier_patterns(include: Path) -> None:
    assert "identifier_pattern" in (include / "profiles" / "students_banner.yaml").read_text(encoding="utf-8")
    path = set_pattern(include, "[A-Z")
    line = path.read_text(encoding="utf-8").splitlines().index("  identifier_pattern: '[A-Z'") + 1
    result = run("profiles", "check", exit_code=1)
    assert result.stdout == (
        f"{path}:{line}: export.identifier_pattern: '[A-Z' is not valid: PostgreSQL reports 'invalid regular "
        "expression: brackets [] not balanced'\n"
    )
    assert result.stderr.startswith("4 good profiles: CREDITS, STAFF, STUDENTS, SUMMER_SCHOOL\n")


def test_without_a_ledger_identifier_patterns_are_not_checked(include: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_pattern(include, "[A-Z")
    for connection in (None, "postgres://bursar@127.0.0.1:1/ledger"):
        if connection:
            monkeypatch.setenv("AIRFLOW_CONN_BURSAR_LEDGER", connection)
        else:
            monkeypatch.delenv("AIRFLOW_CONN_BURSAR_LEDGER")
        result = run("profiles", "check")
        assert result.stdout == ""
        assert result.stderr.startswith("5 good profiles")
        assert "No identifier_pattern was checked, which needs the ledger: " in result.stderr


def test_wrong_settings_are_printed_the_same_way(include: Path) -> None:
    path = include / "bursar.yaml"
    path.write_text("institution_id: 1\n", encoding="utf-8")
    assert f"{path}:1: institution_name" in run("profiles", "check", exit_code=1).stdout


def test_the_schemas_are_written(include: Path) -> None:
    (include / "profile.schema.json").unlink()
    run("profiles", "schema")
    assert (include / "profile.schema.json").read_bytes() == (PROJECT / "include" / "profile.schema.json").read_bytes()


def test_a_ledger_is_migrated_filled_and_previewed(library: Library) -> None:
    assert "newest version" in run("ledger", "migrate").output
    assert "never mixes" in run("ledger", "demo-data", exit_code=1).output


def test_csv_files_are_loaded(library: Library, tmp_path: Path) -> None:
    users, fines = tmp_path / "users.csv", tmp_path / "fines.csv"
    users.write_text(
        "primary_id,last_name,first_name,user_group,expiry_date,purge_date,identifier:02\nada,Okonkwo,Ada,STUDENT,,,00451237\n"
    )
    fines.write_text(
        "fine_id,primary_id,fine_fee_type,amount,created_at,owner_library\nF1,ada,OVERDUEFINE,12.50,2026-01-01,MAIN\n"
    )
    result = run("ledger", "load", "--users", str(users), "--fines", str(fines))
    assert "1 added" in result.output
    assert library.one("SELECT balance FROM fines WHERE source_id = 'F1'") == 12.5
    fines.write_text(
        "fine_id,primary_id,fine_fee_type,amount,created_at,owner_library\nF2,nobody,OVERDUEFINE,1,2026-01-01,MAIN\n"
    )
    assert f"{fines}:2: " in run("ledger", "load", "--fines", str(fines), exit_code=1).output
    assert "at least one file" in run("ledger", "load", exit_code=2).output


def test_the_preview_shows_what_goes_and_why_the_rest_stays(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "get_profile", lambda code: make_profile(code=code, time_before_export_days=7))
    library.fine(library.user("00000001", last="Goes\x1b[2J"), "12.50")
    library.fine(library.user(None, last="[bold]Stays"), "1.00", kind="[red]LOST")
    library.fine(library.user("00000002", last="كاملة"), "7.00")
    library.fine(amount="2.00", created=NOW - timedelta(days=1))
    output = run("preview", "STUDENTS", "--as-of", "2026-03-02T07:00").output
    assert "Would be exported: 2 fines of 2 users" in output
    assert "charges 19.50 USD" in output
    assert "younger than the time before export: 1 fine of 1 user, 2.00 USD" in output
    assert "no identifier of the profile's type: 1 fine of 1 user, 1.00 USD" in output
    assert "[bold]Stays" in output
    assert "[red]LOST" in output
    assert "كاملة, Tim\N{LEFT-TO-RIGHT MARK}  " in output
    assert "\x1b[2J" not in output
    assert library.one("SELECT count(*) FROM batches") == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("preview", "NOBODY"), "no profile NOBODY. There are: CREDITS"),
        (("preview", "SUMMER_SCHOOL"), "not active"),
        (("preview", "STUDENTS", "--as-of", "soon"), "is not a moment"),
        (("preview", "STUDENTS", "--as-of", "P1D"), "is not a moment"),
        (("batches", "release", "7"), "no batch 7"),
        (("fine", "4711"), "No fine has"),
        (("imports", "rejects", "7"), "no import file 7"),
    ],
)
def test_refusals_are_one_sentence(library: Library, arguments: tuple[str, ...], said: str) -> None:
    output = run(*arguments, exit_code=1).output
    assert said in output
    assert "Traceback" not in output


def test_unfinished_batches_are_listed_and_released(library: Library) -> None:
    assert "Nothing is unsent" in run("batches").output
    library.fine()
    batch = select_fines(library.ledger, make_profile(), make_settings(), run_id="run 1", as_of=NOW)
    output = run("batches").output
    assert "SELECTED" in output
    assert batch.file_name in output
    assert "12.50 USD" in output
    assert "Open again: 1 fine." in run("batches", "release", str(batch.id)).output
    assert "Nothing is unsent" in run("batches").output


def test_the_life_of_a_fine_is_told_by_either_of_its_ids(library: Library, owned_ledger: Engine) -> None:
    office = FakeBursar(library)
    fine, transaction = office.exported("10.00")
    office.pay(Payment(transaction, "4"))
    office.pay(Payment(transaction, "0"), Payment(transaction, "8"))
    with owned_ledger.begin() as connection:
        connection.execute(text("UPDATE batch_lines SET transaction_id = 'T-' || transaction_id"))
    for number in (str(fine), f"T-{transaction}"):
        output = run("fine", number).output
        for told in (
            "CHARGED",
            "EXPORTED",
            "PAID_AT_BURSAR",
            "PARTLY_PAID",
            "line 20: OVERPAID",
            "NO EFFECT",
            "the sum is 0",
        ):
            assert told in output
        assert "outstanding at the bursar 0.00 USD" in output


def test_the_life_of_a_fine_shows_file_names_whole_and_sums_to_the_last_digit(library: Library) -> None:
    office = FakeBursar(library)
    fine, _ = office.exported("1.234", currency="KWD", kind="[red]LOST")
    with library.ledger.begin() as connection:
        connection.execute(
            text("UPDATE batches SET remote_folder = 'sftp://[fe80::1]/' || repeat('a-long-folder/', 9)")
        )
    output = run("fine", str(fine)).output
    assert library.one("SELECT file_name FROM batches") in "".join(output.split())
    assert "+1.234 KWD" in output
    assert "sftp://[fe80::1]" in "".join(output.split())
    assert "[red]LOST" in output
    assert "…" not in output


def test_files_of_payments_are_listed_with_their_outcomes_in_the_order_of_the_rules(library: Library) -> None:
    assert "No file has come" in run("imports").output
    office = FakeBursar(library)
    _, transaction = office.exported("10.00")
    office.pay(Payment("unknown", "4"), Payment(transaction, "4"), Payment(transaction, "6"))
    output = run("imports").output
    assert "1 PAID, 1 PARTLY_PAID, 1 UNMATCHED" in output


def allow_activity(include: Path) -> None:
    settings = include / "bursar.yaml"
    text_ = settings.read_text(encoding="utf-8")
    name = "allow_activity_on_transferred_finesfees"
    settings.write_text(text_.replace(f"{name}: no", f"{name}: yes"), encoding="utf-8")


def test_the_desk_pays_waives_refunds_and_takes_back(library: Library, include: Path) -> None:
    fine = str(library.fine(amount="10.00"))
    assert "ACTIVE: owed at the library 6.00 USD" in run("desk", "pay", fine, "4.00", "--comment", "cash").output
    assert "ACTIVE: owed at the library 5.00 USD" in run("desk", "waive", fine, "1.00").output
    assert "ACTIVE: owed at the library 5.00 USD" in run("desk", "refund", fine, "2.00").output
    assert "is DISPUTED" in run("desk", "dispute", fine, "--comment", "returned in time").output
    assert "is ACTIVE" in run("desk", "settle", fine, "--comment", "seen on the shelf").output
    assert "Fine 2 (CREDIT) is ACTIVE: owed at the library -3.00 USD" in run("desk", "credit", fine, "3").output
    assert "owed at the library -4.00 USD" in run("desk", "credit", fine).output
    assert "Nothing of fine 1 is left to reverse." in run("desk", "credit", fine, exit_code=1).output
    assert "is a credit itself" in run("desk", "credit", "2", exit_code=1).output
    assert "'4,50' is no amount; write it as in 12.50" in run("desk", "pay", fine, "4,50", exit_code=2).output
    assert "Only 5.00 USD of fine 1 is open; 6.00 USD is more." in run("desk", "pay", fine, "6", exit_code=1).output


def test_the_desk_keeps_to_the_institutions_parameter_and_says_that_the_bursar_hears_of_it(
    library: Library, include: Path
) -> None:
    fine, _ = FakeBursar(library).exported("10.00")
    assert "it is with the bursar" in run("desk", "pay", str(fine), exit_code=1).output
    allow_activity(include)
    output = run("desk", "pay", str(fine)).output
    assert "is CLOSED: owed at the library 0.00 USD, outstanding at the bursar 0.00 USD" in output
    told = (
        "The bursar is still to be told: 10.00 USD of transaction 1 was settled at the library. "
        "The next export of STUDENTS reverses it."
    )
    assert told in output
    assert told in run("fine", str(fine)).output


def test_a_fine_shows_how_it_was_reversed(library: Library, include: Path) -> None:
    office = FakeBursar(library)
    fine, _ = office.exported("10.00")
    allow_activity(include)
    run("desk", "waive", str(fine), "4")
    output = run("desk", "credit", str(fine), "6").output
    assert "The bursar is still to be told: it takes back transaction 1. The next export of STUDENTS rev" in output
    office.export(close=False)
    assert "Reversal on its way to the bursar: in batch 2" in run("fine", str(fine)).output
    preview = run("preview", "STUDENTS").output
    assert "another export that has not ended holds it, or the charge that it reverses" in preview
    close_fines(library.ledger, 2)
    life = run("fine", str(fine)).output
    assert "Taken back by: credit 2" in life
    assert "transaction 2, batch 2, takes 4.00 USD of transaction 1 back" in " ".join(life.split())
    assert "batch 2: set off against the credit that takes it back" in life
    assert "batch 2: set off against fine 1, which it takes back" in run("fine", "2").output
    assert "still to be told" not in life


def test_the_preview_shows_reversals(library: Library, include: Path) -> None:
    fine, _ = FakeBursar(library).exported("10.00", owner=None)
    allow_activity(include)
    run("desk", "pay", str(fine))
    output = run("preview", "STUDENTS").output
    assert "credits -10.00 USD (of them reversals -10.00 USD)" in output
    assert "reversal" in output


def test_users_delete_refuses_with_the_reason_and_deletes_when_it_can(library: Library) -> None:
    office = FakeBursar(library)
    fine, transaction = office.exported("10.00")
    user = library.one("SELECT user_id FROM fines WHERE id = :id", id=fine)
    primary_id = library.one("SELECT value FROM identifiers WHERE user_id = :id AND type = 'userName'", id=user)
    refused = run("users", "delete", primary_id, "--yes", exit_code=1).output
    assert f"fine {fine}: 10.00 USD outstanding at the bursar STUDENTS, transaction {transaction}" in refused
    office.pay(Payment(transaction, "10.00"))
    assert "Aborted" in run("users", "delete", primary_id, exit_code=1).output, "nobody deletes without a word"
    assert f"User {user} is deleted" in run("users", "delete", primary_id, "--yes").output
    assert "Deleted user (no primary id)" in run("fine", str(fine)).output


def test_users_jobs_and_report_tell_who_was_kept_and_why(library: Library) -> None:
    rich, poor = (library.user(purge=date(2020, 1, 1)) for _ in range(2))
    library.fine(rich, "20.00")
    library.fine(poor, "2.00")
    choices = PurgeParams.of_form({"waive_threshold": "5", "dry_run": True})
    job = purge_users(library.ledger, choices, make_settings(), run_id="manual", as_of=NOW)
    printed = run("users", "jobs").output
    assert "purge (dry run)" in printed
    assert "1 user: the user owes more than the threshold" in printed
    assert "2.00 USD" in printed
    assert run("users", "report", str(job.id)).output.splitlines() == [
        "user_id,fine_id,outcome,reason",
        f"{rich},,kept,the user owes more than the threshold",
        f"{poor},,would be purged,",
    ]
    assert "There is no job 404" in run("users", "report", "404", exit_code=1).output


def reported(library: Library, **changes: object) -> None:
    """A run of STUDENTS on record."""
    facts: dict[str, Any] = {
        "job": Job.EXPORT,
        "profile": "STUDENTS",
        "run_id": "scheduled__2026-03-02",
        "as_of": NOW,
        "started_at": NOW,
        "ended_at": NOW + timedelta(minutes=2, seconds=5),
        "outcome": RunOutcome.WITH_WARNINGS,
        "files": ("STUDENTS-1.xml",),
        "users": 1,
        "fines": 2,
        "totals": {
            "CAD": CurrencyTotals(Decimal("3.000"), Decimal(0)),
            "USD": CurrencyTotals(Decimal("1234.500"), Decimal("-2.000")),
        },
        "skipped": {"too_young": Skipped(3, 2, {"USD": Decimal("4.000")})},
        "rejects": {"UNMATCHED": OutcomeTotals(1, {"USD": Decimal("5.000")})},
        "task_timings": {"select_fines": 1.25, "upload_file": 3661.0},
        "messages": ("Ask the [bursar].",),
    }
    record_report(library.ledger, RunReport(**facts | changes))


def test_the_history_lists_runs_newest_first_with_their_money(library: Library) -> None:
    reported(library)
    reported(library, run_id="later", started_at=NOW + timedelta(days=1), profile="STAFF", dry_run=True)

    lines = run("history").output.splitlines()

    assert lines[1].split()[:6] == ["2", "2026-03-03", "12:00", "STAFF", "export", "completed"]
    assert "completed with warnings (dry run)" in lines[1]
    assert lines[3].split()[-6:] == ["1", "2", "3.00", "0.00", "3.00", "CAD"]
    assert lines[4].split()[-4:] == ["1,234.50", "-2.00", "1,232.50", "USD"]
    assert "STAFF" not in run("history", "STUDENTS").output


def test_the_history_of_one_run_tells_all_of_it(library: Library) -> None:
    reported(library)

    output = run("history", "--run", "1").output

    for fact in (
        "Export STUDENTS: completed with warnings",
        "STUDENTS-1.xml",
        "2 fines of 1 user",
        "charges 1,234.50 USD, credits -2.00 USD, net 1,232.50 USD",
        "! Ask the [bursar].",
        "younger than the time before export",
        "UNMATCHED",
        "1 h 1 min",
    ):
        assert fact in output
    assert "There is no run 9" in run("history", "--run", "9", exit_code=1).output


def test_an_empty_history_says_so(library: Library) -> None:
    assert run("history").output == "No run is on record yet.\n"
    assert run("history", "STUDENTS").output == "No run of a profile STUDENTS is on record.\n"


def test_an_unclear_batch_says_what_to_do_and_is_confirmed(library: Library) -> None:
    library.fine()
    batch = select_fines(library.ledger, make_profile(), make_settings(), run_id="run 1", as_of=NOW)
    library._run("UPDATE batches SET upload_started_at = now(), unclear_at = now(), remote_folder = 'sftp://b/out'")  # noqa: SLF001
    output = " ".join(run("batches").output.split())
    assert f"Batch {batch.id} is unclear" in output
    assert f"`bin/bursar batches confirm-delivered {batch.id}`" in output
    assert "is DELIVERED. Clear the task" in run("batches", "confirm-delivered", str(batch.id), "--yes").output
    assert library.one("SELECT delivery_confirmed_by FROM batches") == getuser()


@pytest.mark.parametrize("committed", [False, True])
def test_the_desk_says_so_when_nobody_knows_whether_something_was_recorded(
    library: Library, postgres: Postgres, monkeypatch: pytest.MonkeyPatch, *, committed: bool
) -> None:
    """The connection ends before or after PostgreSQL commits: the desk can't tell the two apart."""
    fine = library.fine()
    usual = PGDialect_psycopg.do_commit

    def commit(dialect: PGDialect_psycopg, connection: Any) -> None:
        if committed:
            usual(dialect, connection)  # type: ignore[no-untyped-call]
        with postgres.connect() as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.driver_connection.info.backend_pid])
        connection.execute("SELECT 1")

    monkeypatch.setattr(PGDialect_psycopg, "do_commit", commit)
    output = run("desk", "pay", str(fine), "5", exit_code=1).output
    monkeypatch.undo()
    assert "It is unknown whether this has been recorded" in output
    assert f"`bin/bursar fine {fine}`" in output
    assert "owed at the library" not in output
    assert library.one("SELECT count(*) FROM journal_entries WHERE entry_type = 'PAID'") == committed


def test_all_batches_show_dry_runs_and_what_was_sent_again(library: Library) -> None:
    library.fine()
    select_fines(library.ledger, make_profile(), make_settings(), run_id="dry", as_of=NOW, dry_run=True)
    batch = FakeBursar(library).export()
    library._run(  # noqa: SLF001
        "INSERT INTO resends (batch_id, run_id, requested_by, delivered_at) VALUES (:batch, 'again', 'librarian', "
        "now())",
        batch=batch,
    )

    output = run("batches", "--all").output

    assert "DRY_RUN" in output
    assert "1 x" in output
    assert "SENT AGAIN" in run("fine", "1").output
    assert "asked for by librarian" in run("fine", "1").output


def test_the_file_of_a_dry_run_can_be_looked_at(library: Library, tmp_path: Path) -> None:
    library.fine()
    dry = select_fines(library.ledger, make_profile(), make_settings(), run_id="dry", as_of=NOW, dry_run=True)

    output = run("batches", "file", str(dry.id), "--into", str(tmp_path)).output

    path = Path(output.split("  ")[0])
    assert path.name == dry.file_name
    assert b"<xb:sum>12.5</xb:sum>" in path.read_bytes()
