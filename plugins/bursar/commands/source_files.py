"""`bin/bursar sources list`, `check`, `show` and `write-schema`: the sources that are described in include/sources."""

import sys
from typing import Any

import click

from bursar.commands.context import console, get_source, get_sources, sanitize, strip_controls
from bursar.commands.output import (
    format_option,
    make_table,
    print_data,
    print_problems,
    print_table,
)
from bursar.commands.profile_check import compare_with_airflow, describe_airflow_error
from bursar.commands.schemas import write_schemas
from bursar.commands.systems import check_system, get_system_source, print_findings
from bursar.errors import BursarError
from bursar.money import pluralize
from bursar.profiles import INCLUDE, Problem, ProfileError
from bursar.profiles.yaml_reader import Value
from bursar.profiles.yaml_writer import write_yaml
from bursar.sources.csv.model import CsvSource
from bursar.sources.read import source_schemas


@click.command("list")
@format_option
def list_sources(output_format: str) -> None:
    """List the valid sources of include/sources: where their files are, and when they are loaded."""
    sources, problems = get_sources()
    if output_format != "table":
        print_data(output_format, [source.model_dump(mode="json") for source in sources])
    elif not sources:
        console.print(sanitize(f"There are no sources in {INCLUDE / 'sources'}."), soft_wrap=True)
    else:
        table = make_table(("Code", "Name", "Kind", "Active", "Folder", "Files", "Schedule"))
        for source in sources:
            folder, files = source.connection or "", ""
            if isinstance(source, CsvSource):
                folder = f"{source.connection}:{source.folder}" if source.connection else source.folder
                files = ", ".join(source.files.by_kind.values())
            active = "yes" if source.active else "no"
            cells = (source.code, source.name, source.kind, active, folder, files, str(source.schedule))
            table.add_row(*map(sanitize, cells))
        print_table(table, ("Kind", "Files", "Name"))
    if problems:
        click.echo(f"Found: {pluralize(len(problems), 'problem')}; see `bin/bursar sources check`.", err=True)


@click.command("check")
@click.argument("code", required=False)
@format_option
def check_sources(code: str | None, output_format: str) -> None:
    """Print each problem of a source as file:line: message, and exit with 1 if there is one. Changes nothing.

    Warnings name connections that Airflow does not have. They do not change the exit status.

    With the CODE of a source that is a library's system, the system is asked, too: its version, permissions, settings,
    and the maps of the source against what is there. Nothing is changed there.
    """
    if code:
        findings = check_system(get_system_source(code))
        print_findings(output_format, findings)
        sys.exit(0 if all(finding.is_good for finding in findings) else 1)
    try:
        good, problems = get_sources()
    except ProfileError as error:  # in bursar.yaml, without which no source can be checked
        good, problems = [], list(error.problems)
    folder = INCLUDE / "sources"
    warnings: list[Problem] = []
    note = ""
    try:
        warnings = sorted(compare_with_airflow(folder, good))
    except BursarError as error:
        note = describe_airflow_error(error)
    print_problems(output_format, problems, warnings)
    codes = ", ".join(source.code for source in good) or "none"
    click.echo(f"{pluralize(len(good), 'good source')} in {strip_controls(str(folder))}: {codes}", err=True)
    if note:
        click.echo(strip_controls(note), err=True)
    sys.exit(1 if problems else 0)


@click.command("show")
@click.argument("code")
@format_option
def show_source(code: str, output_format: str) -> None:
    """Show a source as YAML, also with the values that its file leaves to the defaults and to bursar.yaml."""
    values = get_source(code).model_dump(mode="json")
    if output_format != "table":
        print_data(output_format, values)
        return
    for line in write_yaml({name: _to_text(value) for name, value in values.items()}).splitlines():
        console.print(sanitize(line), soft_wrap=True)


@click.command("write-schema")
@format_option
def write_source_schema(output_format: str) -> None:
    """Write the JSON Schema, with which editors complete and check sources, into include/."""
    write_schemas(source_schemas(), output_format)


def _to_text(value: Any) -> Value:  # noqa: ANN401  a value of JSON
    """Returns a value as it is written in a source; None for an empty list or section."""
    if isinstance(value, dict):
        section: dict[str, Value] = {name: text for name, one in value.items() if (text := _to_text(one)) is not None}
        return section or None
    if isinstance(value, list):
        return [_to_text(one) for one in value] or None
    if isinstance(value, bool):
        return "yes" if value else "no"
    return None if value is None else str(value)
