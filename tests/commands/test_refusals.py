"""Every command refuses wrong arguments, and says why the ledger can't be opened, in sentences without a traceback.

The module is long because each fault of the ledger is tested with every command, whose arguments it lists.
"""

import json
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from bursar.__main__ import bursar
from bursar.commands import context
from demo.postgres import Postgres
from tests.commands.test_all_commands import LEAVES
from tests.support.fake_postgres import fake_postgres
from tests.support.fixtures import Library

ARGUMENTS: dict[str, tuple[str, ...]] = {
    "airflow create-pools": (),
    "batches build-file": ("7",),
    "batches confirm-delivered": ("7", "--yes"),
    "batches repeat-upload": ("7", "--yes"),
    "batches list": (),
    "batches release": ("7",),
    "batches show": ("7",),
    "desk credit": ("7", "1.00"),
    "desk dispute": ("7", "--comment", "no"),
    "desk pay": ("7",),
    "desk refund": ("7",),
    "desk resolve-dispute": ("7", "--comment", "no"),
    "desk reverse": ("7",),
    "desk waive": ("7",),
    "fines show": ("7",),
    "imports apply-again": ("7", "--yes"),
    "imports list": (),
    "imports rejects": ("7",),
    "jobs list": (),
    "jobs results": ("7",),
    "layouts check": (),
    "layouts list": (),
    "layouts read": ("semicolons", "/dev/null"),
    "layouts try": ("banner", "--batch", "7"),
    "layouts write-schema": (),
    "ledger migrate": (),
    "overpayments list": (),
    "overpayments reject": ("7", "1"),
    "overpayments release": ("7", "1"),
    "profiles check": (),
    "profiles preview": ("STUDENTS",),
    "profiles test-connection": ("STUDENTS",),
    "profiles write-schema": (),
    "runs list": (),
    "runs show": ("7",),
    "sources check": (),
    "sources list": (),
    "sources load": ("--groups", "GROUPS"),
    "sources loads list": (),
    "sources loads rejects": ("7",),
    "sources loads show": ("7",),
    "sources outbox list": (),
    "sources outbox mark-done": ("7",),
    "sources outbox retry": ("7",),
    "sources outbox show": ("7",),
    "sources show": ("LIBRARY",),
    "sources sync": ("LIBRARY",),
    "sources write-schema": (),
    "statements list": (),
    "statements results": ("7",),
    "statements show": ("7",),
    "users delete": ("7", "--yes"),
}
"""The arguments with which each command can be run."""
WITHOUT_LEDGER = {
    *("airflow create-pools", "profiles check", "profiles test-connection", "profiles write-schema"),
    *("layouts check", "layouts list", "layouts read", "layouts write-schema"),
    *("sources check", "sources list", "sources show", "sources sync", "sources write-schema"),
}
NAMES = [name for name, _ in LEAVES]
OF_LEDGER = [name for name in NAMES if name not in WITHOUT_LEDGER]
SECRET = "hidden-word"


@pytest.fixture(autouse=True)
def no_make_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no library of `make up` on this machine."""
    monkeypatch.setattr(context, "MAKE_UP", tmp_path / "up")


def call(name: str, *arguments: str, root: tuple[str, ...] = ()) -> Result:
    """Runs a command; its errors must be sentences."""
    result = CliRunner().invoke(bursar, [*root, *name.split(), *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        traceback.print_exception(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert root or "Traceback" not in result.output
    return result


def arguments_of(name: str, folder: Path) -> list[str]:
    groups = folder / "groups.csv"
    groups.write_text("code,name\nLAW,Law\n", encoding="utf-8")
    return [argument.replace("GROUPS", str(groups)) for argument in ARGUMENTS[name]]


def connect(monkeypatch: pytest.MonkeyPatch, connection: dict[str, Any] | str) -> None:
    text = connection if isinstance(connection, str) else json.dumps({"conn_type": "postgres"} | connection)
    monkeypatch.setenv("AIRFLOW_CONN_BURSAR_LEDGER", text)


def check_refusal(name: str, folder: Path, *expected: str) -> None:
    result = call(name, *arguments_of(name, folder))
    assert result.exit_code == 1, result.output
    message = result.output.replace("\n", " ")
    assert all(text in message for text in expected), message
    assert SECRET not in message


def test_every_command_has_arguments_here() -> None:
    assert sorted(NAMES) == sorted(ARGUMENTS)


@pytest.mark.parametrize("name", OF_LEDGER)
def test_a_server_that_is_down(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, {"host": "127.0.0.1", "port": 1, "login": "bursar", "password": SECRET})
    check_refusal(name, tmp_path, "PostgreSQL at 127.0.0.1:1 can't be reached", "Connection refused", "Start it, or")


@pytest.mark.parametrize("name", OF_LEDGER)
def test_a_host_that_does_not_exist(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, {"host": "ledger.invalid", "login": "bursar", "password": SECRET})
    check_refusal(name, tmp_path, "PostgreSQL at ledger.invalid can't be reached", "correct host and port")


@pytest.mark.parametrize("name", OF_LEDGER)
def test_a_wrong_database(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: Postgres) -> None:
    connect(monkeypatch, {"host": str(postgres.sockets), "login": "bursar", "schema": "nowhere"})
    check_refusal(name, tmp_path, "has no database nowhere. Correct the schema")


@pytest.mark.parametrize("name", OF_LEDGER)
def test_a_wrong_login(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: Postgres) -> None:
    connect(monkeypatch, {"host": str(postgres.sockets), "login": "nobody_here", "schema": "ledger"})
    check_refusal(name, tmp_path, "rejects the login nobody_here", "Correct login and password")


@pytest.mark.parametrize("name", OF_LEDGER)
def test_a_wrong_password(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_postgres(rejection='password authentication failed for user "bursar"') as port:
        connect(monkeypatch, {"host": "127.0.0.1", "port": port, "login": "bursar", "password": SECRET})
        check_refusal(name, tmp_path, "rejects the login bursar (", "Correct login and password")


@pytest.mark.parametrize("name", OF_LEDGER)
def test_a_postgresql_that_is_too_old(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_postgres("16.4") as port:
        connect(monkeypatch, {"host": "127.0.0.1", "port": port, "login": "bursar", "password": SECRET})
        check_refusal(
            name, tmp_path, "needs PostgreSQL 17 or later", f"127.0.0.1:{port} runs version 16.4", "Upgrade it"
        )


@pytest.mark.parametrize("name", [name for name in OF_LEDGER if name != "ledger migrate"])
def test_a_ledger_that_is_not_migrated(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unmigrated: dict[str, str]
) -> None:
    connect(monkeypatch, unmigrated)
    check_refusal(name, tmp_path, "The database unmigrated is not migrated", "Run `bin/bursar ledger migrate`")


def test_a_migration_in_the_role_of_the_dags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unmigrated: dict[str, str]
) -> None:
    connect(monkeypatch, unmigrated)
    check_refusal("ledger migrate", tmp_path, "The login bursar lacks a right", "the role of the ledger's owner")


@pytest.fixture(scope="module")
def unmigrated(postgres: Postgres) -> Iterator[dict[str, str]]:
    """An empty database, in the role of the DAGs."""
    postgres.create_ledger("unmigrated")
    yield {"host": str(postgres.sockets), "login": "bursar", "schema": "unmigrated"}
    with postgres.connect() as connection:
        connection.execute("DROP DATABASE unmigrated WITH (FORCE)")


MALFORMED = [
    f'{{"conn_type": "postgres", "password": "{SECRET}"',
    f"postgres://bursar:{SECRET}@host:port/ledger",
    f"postgres://bursar:{SECRET}@[::1/ledger",
    json.dumps({"conn_type": "postgres", "pasword": SECRET}),
    json.dumps({"conn_type": "postgres", "host": "127.0.0.1", "port": "one"}),
    json.dumps({"conn_type": "postgres", "host": "127.0.0.1", "extra": SECRET}),
    json.dumps({"conn_type": "postgres", "host": "127.0.0.1", "extra": {"no_such_option": 1}}),
]


@pytest.mark.parametrize(
    ("name", "connection"),
    [*((name, MALFORMED[0]) for name in OF_LEDGER), *(("runs list", one) for one in MALFORMED[1:])],
)
def test_a_malformed_connection(name: str, connection: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, connection)
    check_refusal(name, tmp_path, "is malformed")


@pytest.mark.parametrize("name", OF_LEDGER)
def test_no_connection(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_BURSAR_LEDGER")
    check_refusal(name, tmp_path, "There is no Airflow connection bursar_ledger. Create it")


def test_beside_a_make_up_that_has_ended_the_advice_is_to_start_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "up").mkdir()
    advice = "If it is the library of `make up`, start that in another terminal."
    connect(monkeypatch, {"host": "/nowhere/sockets", "login": "bursar"})
    check_refusal("runs list", tmp_path, "/nowhere/sockets can't be reached", advice)
    monkeypatch.delenv("AIRFLOW_CONN_BURSAR_LEDGER")
    check_refusal("runs list", tmp_path, "There is no Airflow connection", advice)


@pytest.mark.parametrize("name", sorted(WITHOUT_LEDGER))
def test_a_command_that_needs_no_ledger_says_what_else_is_wrong(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, {"host": "127.0.0.1", "port": 1})
    result = call(name, *ARGUMENTS[name])
    expected = {
        "airflow create-pools": (1, "Airflow's database can't be read"),
        "layouts check": (0, "0 good layouts"),
        "layouts list": (0, "There are no layouts"),
        "layouts read": (2, "There is no layout semicolons"),
        "layouts write-schema": (0, "Wrote"),
        "profiles check": (0, "5 good profiles"),
        "profiles test-connection": (1, "There is no Airflow connection bursar_banner. Create it"),
        "profiles write-schema": (0, "Wrote"),
        "sources check": (0, "0 good sources"),
        "sources list": (0, "There are no sources"),
        "sources show": (2, "There is no source LIBRARY. Known sources: none."),
        "sources sync": (2, "There is no source LIBRARY. Known sources: none."),
        "sources write-schema": (0, "Wrote"),
    }
    status, text = expected[name]
    assert (result.exit_code, text in result.output) == (status, True), result.output


def positional(command: click.Command) -> list[click.Argument]:
    return [parameter for parameter in command.params if isinstance(parameter, click.Argument)]


@pytest.mark.parametrize("number", ["-1", "-12.50"])
@pytest.mark.parametrize(("name", "command"), [(name, one) for name, one in LEAVES if positional(one)])
def test_a_negative_number(name: str, command: click.Command, number: str, library: Library) -> None:
    for index in range(len(positional(command))):
        arguments = ["1", "1.00", "1"][: len(positional(command))]
        arguments[index] = number
        options = [argument for argument in ARGUMENTS[name][1:] if argument != "1.00"]
        result = call(name, *arguments, *options)
        assert result.exit_code == 2
        assert "A number with a minus sign is not allowed here" in result.output
        result = call(name, *options, "--", *arguments)
        assert result.exit_code == 2


@pytest.mark.parametrize("id_", ["999", str(2**62), "9" * 30])
@pytest.mark.parametrize(
    "name",
    [
        name
        for name, one in LEAVES
        if positional(one) and not name.startswith(("profiles", "layouts")) and name != "sources load"
    ],
)
def test_an_unknown_id(name: str, id_: str, library: Library) -> None:
    result = call(name, id_, *ARGUMENTS[name][1:])
    assert result.exit_code == 2, result.output
    assert id_ in result.output


def test_an_unknown_source(library: Library) -> None:
    result = call("sources load", "NOWHERE")
    assert result.exit_code == 2
    assert "There is no source NOWHERE" in result.output


@pytest.mark.parametrize("amount", ["0", "x", "NaN", "Infinity"])
@pytest.mark.parametrize("name", ["pay", "waive", "refund", "reverse", "credit"])
def test_no_amount(name: str, amount: str, library: Library) -> None:
    result = call(f"desk {name}", str(library.fine()), amount)
    assert result.exit_code == 2
    assert "write" in result.output


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("profiles preview", ("NOBODY",)),
        ("profiles test-connection", ("NOBODY",)),
        ("runs list", ("--profile", "NOBODY")),
        ("imports list", ("--profile", "NOBODY")),
    ],
)
def test_an_unknown_profile(name: str, arguments: tuple[str, ...], library: Library) -> None:
    result = call(name, *arguments)
    assert result.exit_code == 2
    assert "There is no profile NOBODY. Known profiles: CREDITS, MEDICAL" in result.output
    assert "make up" not in result.output


@pytest.mark.parametrize(
    ("was_started", "advice"),
    [
        (False, "To try Bursar with an invented library, start `make up` first."),
        (True, "If it is the library of `make up`, start that in another terminal."),
    ],
)
def test_without_any_profile_the_error_names_make_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, was_started: bool, advice: str
) -> None:
    monkeypatch.setattr(context, "get_profiles", lambda: ([], []))
    monkeypatch.setattr(context, "MAKE_UP", tmp_path / ("." if was_started else "up"))
    result = call("profiles preview", "STUDENTS")
    assert result.exit_code == 2
    assert f"There is no profile STUDENTS. Known profiles: none. {advice}" in result.output


@pytest.mark.parametrize("option", ["--groups", "--libraries", "--users", "--fines"])
@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_a_file_that_can_not_be_read(option: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path if kind == "folder" else tmp_path / "missing.csv"
    result = call("sources load", option, str(path))
    assert result.exit_code == 2
    assert str(path) in result.output


def test_a_folder_that_does_not_exist(library: Library, tmp_path: Path) -> None:
    result = call("batches build-file", "1", "--into", str(tmp_path / "missing"))
    assert result.exit_code == 2
    assert "missing' does not exist" in result.output


@pytest.mark.parametrize(
    "name",
    ["airflow create-pools", "desk credit", "desk pay", "profiles preview", "profiles test-connection", "sources list",
     "sources load", "sources show", "users delete"],
)  # fmt: skip
@pytest.mark.parametrize("spoil", ["remove", "folder", "bytes"])
def test_settings_that_can_not_be_read(name: str, spoil: str, include: Path, tmp_path: Path, library: Library) -> None:
    path = include / "bursar.yaml"
    path.unlink()
    if spoil == "folder":
        path.mkdir()
    if spoil == "bytes":
        path.write_bytes(b"institution_name: caf\xe9\n")
    result = call(name, *arguments_of(name, tmp_path))
    assert result.exit_code == 2, result.output
    assert "bursar.yaml:1: " in result.output


@pytest.mark.parametrize("name", ["profiles preview", "profiles test-connection", "airflow create-pools"])
def test_a_missing_folder_of_profiles(name: str, include: Path) -> None:
    (include / "profiles").rename(include / "elsewhere")
    result = call(name, *ARGUMENTS[name])
    assert result.exit_code == 2, result.output
    assert "profiles can't be read: No such file or directory" in result.output.replace("\n", " ")


def test_verbose_shows_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, {"host": "127.0.0.1", "port": 1})
    result = call("runs list", root=("-v",))
    assert result.exit_code == 1
    assert "Traceback" in result.stderr
    assert "psycopg.OperationalError" in result.stderr
    assert "Error: The ledger's PostgreSQL at 127.0.0.1:1 can't be reached" in result.stderr


def test_an_error_that_nobody_expected_is_a_sentence_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError("by\x1b[2J zero")

    monkeypatch.setattr("bursar.commands.runs.get_engine", fail)
    result = call("runs list")
    assert result.exit_code == 1
    assert "(ZeroDivisionError: by\N{REPLACEMENT CHARACTER}[2J zero). `bin/bursar -v`" in result.output
