"""Rules for every command: help, formats, errors and version."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import click
import pytest

from bursar import VERSION
from bursar.__main__ import bursar
from demo.postgres import LEDGER_OWNER, Postgres
from tests.support.cli import run
from tests.support.fixtures import Library

PROJECT = Path(__file__).parents[2]


def all_commands(group: click.Group, path: str = "") -> list[tuple[str, click.Command]]:
    found: list[tuple[str, click.Command]] = []
    for name, command in group.commands.items():
        found.append((f"{path} {name}".strip(), command))
        if isinstance(command, click.Group):
            found += all_commands(command, f"{path} {name}")
    return found


LEAVES = [(name, command) for name, command in all_commands(bursar) if not isinstance(command, click.Group)]


@pytest.mark.parametrize(("name", "command"), all_commands(bursar))
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_every_command_has_help(name: str, command: click.Command, option: str) -> None:
    assert command.help
    assert all(parameter.help for parameter in command.params if isinstance(parameter, click.Option))
    assert run(*name.split(), option).startswith("Usage:")


def test_the_help_of_a_group_is_not_cut_off_in_the_list_of_groups() -> None:
    assert re.findall(r"^  .*\.\.\.$", run("--help"), re.MULTILINE) == []


@pytest.mark.parametrize("name", [name for name, _ in LEAVES])
def test_every_command_takes_a_format(name: str) -> None:
    assert "--format [table|json|csv]" in run(*name.split(), "--help")


@pytest.mark.parametrize("name", [name for name, _ in LEAVES if name.endswith(" list")])
def test_every_list_of_an_empty_ledger_is_a_sentence_or_an_empty_array(library: Library, name: str) -> None:
    assert json.loads(run(*name.split(), "--format", "json")) == []
    assert run(*name.split(), "--format", "csv") == ""
    assert run(*name.split()).endswith(".\n")


def test_the_version_is_that_of_the_project(tmp_path: Path) -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == VERSION
    printed = subprocess.run(  # noqa: S603  our own program
        [PROJECT / "bin" / "bursar", "--version"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert printed.stdout == f"Bursar, version {VERSION}\n"


def test_a_ledger_is_migrated_by_its_owner(
    library: Library, postgres: Postgres, empty_ledger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"conn_type": "postgres", "host": str(postgres.sockets), "login": LEDGER_OWNER, "schema": empty_ledger}
    monkeypatch.setenv("AIRFLOW_CONN_BURSAR_LEDGER", json.dumps(values))
    assert run("ledger", "migrate", "--grant-to", "bursar").splitlines() == [
        "The ledger has the newest version.",
        "The role bursar has the rights that DAGs need, and no others.",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("profiles", "preview", "NOBODY"), "no profile NOBODY. Known profiles: CREDITS"),
        (("profiles", "preview", "SUMMER_SCHOOL"), "not active"),
        (("batches", "release", "7"), "no batch 7"),
        (("batches", "show", "7"), "no batch 7"),
        (("fines", "show", "4711"), "There is no fine"),
        (("imports", "rejects", "7"), "no import file 7"),
        (("jobs", "results", "404"), "There is no job 404"),
        (("runs", "show", "9"), "There is no run 9"),
    ],
)
def test_an_error_is_a_sentence(library: Library, arguments: tuple[str, ...], message: str) -> None:
    output = run(*arguments, exit_code=1 if message.startswith("not ") else 2)
    assert message in output
    assert "Traceback" not in output
