"""`bin/bursar` as a process: connections stored in Airflow's database, a closed pipe, Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bursar import VERSION
from demo.postgres import Postgres
from tests.support.fixtures import Library

PROJECT = Path(__file__).parents[2]
BURSAR = PROJECT / "bin" / "bursar"


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name != "AIRFLOW_CONN_BURSAR_LEDGER"} | environment
    command = [str(BURSAR), *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)  # noqa: S603


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, empty_ledger: str) -> dict[str, str]:
    """The environment of an Airflow that has the connection `bursar_ledger` in its database."""
    home = tmp_path_factory.mktemp("airflow")
    env = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
    }
    values = {"conn_type": "postgres", "host": str(postgres.sockets), "login": "bursar", "schema": empty_ledger}
    commands = [["db", "migrate"], ["connections", "add", "bursar_ledger", "--conn-json", json.dumps(values)]]
    program = "import json, sys; from airflow.__main__ import main\nfor sys.argv[1:] in json.loads(sys.argv[1]): main()"
    subprocess.run(  # noqa: S603
        [sys.executable, "-c", program, json.dumps(commands)], env=os.environ | env, capture_output=True, check=True
    )
    return env


def test_a_connection_in_airflows_database_is_found(airflow: dict[str, str], library: Library) -> None:
    listed = run("runs", "list", "--format", "json", **airflow)
    assert (listed.stdout, listed.stderr, listed.returncode) == ("[]\n", "", 0)


def test_a_variable_goes_first(airflow: dict[str, str]) -> None:
    other = json.dumps({"conn_type": "postgres", "host": "127.0.0.1", "port": 1})
    assert "127.0.0.1:1 can't be reached" in run("runs", "list", **airflow, AIRFLOW_CONN_BURSAR_LEDGER=other).stderr


def test_without_airflows_database_the_error_says_so(tmp_path: Path) -> None:
    url = "postgresql+psycopg2://airflow:hidden-word@127.0.0.1:1/airflow"
    failed = run("runs", "list", AIRFLOW_HOME=str(tmp_path), AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=url)
    assert failed.returncode == 1
    assert "Airflow's database can't be read (connection to server at \"127.0.0.1\", port 1 failed" in failed.stderr
    assert "the variable AIRFLOW_CONN_BURSAR_LEDGER is not set" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert "hidden-word" not in failed.stderr
    assert failed.stdout == ""


def test_a_pipe_that_closes_early_ends_the_command_quietly() -> None:
    process = subprocess.Popen([BURSAR, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # noqa: S603
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process:
        assert process.stderr.read() == b""


@pytest.mark.parametrize("stage", ["modules are loaded", "a question is asked"])
def test_ctrl_c_ends_the_command_without_a_traceback(stage: str, airflow: dict[str, str], library: Library) -> None:
    command = [sys.executable, "-P", "-m", "bursar", "users", "delete", str(library.user())]
    env = os.environ | airflow | {"PYTHONPATH": str(PROJECT / "plugins")}
    with subprocess.Popen(  # noqa: S603
        command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        printed = b""
        if stage == "modules are loaded":
            while "pydantic_core" not in Path(f"/proc/{process.pid}/maps").read_text(encoding="utf-8"):
                time.sleep(0.001)
        else:
            while b"?" not in printed:
                printed += process.stdout.read(1)
                assert process.poll() is None, printed
            time.sleep(1)  # by then it reads the answer
        process.send_signal(signal.SIGINT)
        printed += process.stdout.read()
    assert b"Traceback" not in printed
    assert process.returncode in {1, -signal.SIGINT}


@pytest.mark.parametrize("missing", ["click", "psycopg"])
def test_before_the_installation_the_error_says_how_to_install(tmp_path: Path, missing: str) -> None:
    # As on a fresh checkout: a Python that lacks the packages.
    program = f"import sys, runpy; sys.modules[{missing!r}] = None; runpy.run_module('bursar', run_name='__main__')"
    command = [sys.executable, "-P", "-c", program, "--help"]
    env = os.environ | {"PYTHONPATH": str(PROJECT / "plugins")}
    failed = subprocess.run(command, env=env, capture_output=True, text=True, check=False, cwd=tmp_path)  # noqa: S603
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.startswith(f"Bursar is not installed: the package {missing} is missing. Run `make installed`")
    assert "Traceback" not in failed.stderr


def test_the_version_needs_no_airflow_and_no_ledger(tmp_path: Path) -> None:
    assert run("--version", AIRFLOW_HOME=str(tmp_path / "none")).stdout == f"Bursar, version {VERSION}\n"
    assert not (tmp_path / "none").exists()
