"""`bin/bursar sources`: users and fines from the library system."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from sqlalchemy import Engine

from bursar.commands.context import console, get_engine, get_person, get_settings, get_source, sanitize
from bursar.commands.loads import MAX_MESSAGES_SHOWN, get_result_fields, loads, print_load
from bursar.commands.outbox import outbox
from bursar.commands.output import format_option, print_data
from bursar.commands.source_files import check_sources, list_sources, show_source, write_source_schema
from bursar.commands.systems import sync_source
from bursar.errors import InputFileError
from bursar.sources.csv.load import load as load_csv
from bursar.sources.csv.model import CsvSource
from bursar.sources.load_types import LoadResult, SourceRules
from bursar.sources.ready_files import SEPARATE_PREVIEWS, FileSet, find_sets_now
from bursar.sources.records import LoadRecord, list_load_messages
from bursar.sources.refusals import RefusedSetsError
from bursar.sources.sync import SyncRun

CSV_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def sources() -> None:
    """Users and fines from the library system."""


for command in (list_sources, check_sources, show_source, write_source_schema, sync_source, loads, outbox):
    sources.add_command(command)


@sources.command("load")
@click.argument("code", required=False)
@click.option("--groups", type=CSV_FILE, help="User groups: code, name.")
@click.option("--libraries", type=CSV_FILE, help="Libraries: code, id, name.")
@click.option("--users", type=CSV_FILE, help="Users and their identifiers.")
@click.option("--fines", type=CSV_FILE, help="Fines and credits.")
@click.option("--strict", is_flag=True, help="Load all rows or none.")
@click.option("--older", is_flag=True, help="Of a source: also load files that are older than one that was loaded.")
@click.option("--dry-run", is_flag=True, help="Print what would change, and change nothing.")
@format_option
def load_files(
    code: str | None,
    strict: bool,  # noqa: FBT001  click passes flags by name
    older: bool,  # noqa: FBT001
    dry_run: bool,  # noqa: FBT001
    output_format: str,
    **files: Path | None,
) -> None:
    """Add and update users and fines from CSV files: good rows are loaded, bad ones are listed.

    With the CODE of a source, the files in its folder are loaded and moved away, as its DAG does. It does not wait: a
    file that may still be written is loaded, too, unless it lacks its done file.

    docs/reference/csv.md describes the columns, and docs/reference/loading.md what a row may change.
    """
    if code and any(files.values()):
        raise click.UsageError("Name a source or files, not both: the files of a source are in its folder.")
    if older and not code:
        raise click.UsageError(
            "--older is for the files of a source: files that you name are loaded whatever their age."
        )
    if code:
        source = get_source(code)
        if not isinstance(source, CsvSource):
            raise click.UsageError(
                f"{code} has no files: it is a system that is read over its API, by `bin/bursar sources sync {code}`."
            )
        _load_source(source, output_format, strict=strict, older=older, dry_run=dry_run)
        return
    if not any(files.values()):
        raise click.UsageError(
            "Name a source, or at least one file: --groups, --libraries, --users or --fines. `bin/bursar sources list` "
            "lists the sources."
        )
    settings = get_settings()
    result = load_csv(
        get_engine(),
        SourceRules(currency=settings.default_currency, time_zone=settings.time_zone),
        groups=files["groups"],
        libraries=files["libraries"],
        users=files["users"],
        fines=files["fines"],
        strict=strict,
        dry_run=dry_run,
        requested_by=get_person(),
    )
    print_load(output_format, result, dry_run=dry_run)


def _load_source(source: CsvSource, output_format: str, *, strict: bool, older: bool, dry_run: bool) -> None:
    with _open(source, strict=strict, older=older) as run:
        sets = find_sets_now(run.engine, source, run.folder.files())
        previews = run.preview_sets(sets) if dry_run else []
        loads, refusal = ([], None) if dry_run else _load_sets(run, sets)
        results = [([file["name"] for file in load.files], _read_result(run.engine, load)) for load in loads]
    results += [(list(files.values()), found) for files, found in previews if isinstance(found, LoadResult)]
    if output_format != "table":
        print_data(output_format, [get_result_fields(result) for _, result in results])
    elif not sets:
        console.print(sanitize(f"No file of the source {source.code} is ready in {run.folder.address}."))
    else:
        for names, result in results:
            console.print(sanitize(f"{', '.join(names)}:"))
            print_load(output_format, result, dry_run=dry_run)
        if len(previews) > 1:
            console.print(SEPARATE_PREVIEWS)
    if refusal:
        raise refusal
    if refusals := [
        f"A load of {', '.join(files.values())} would be refused: {found}"
        for files, found in previews
        if isinstance(found, InputFileError)
    ]:
        raise InputFileError("\n".join(refusals))


def _load_sets(run: SyncRun, sets: Iterable[FileSet]) -> tuple[list[LoadRecord], InputFileError | None]:
    try:
        return run.load_sets(sets), None
    except RefusedSetsError as error:
        return error.loads, error


def _read_result(engine: Engine, load: LoadRecord) -> LoadResult:
    with engine.connect() as connection:
        messages = tuple(list_load_messages(connection, load.id, limit=MAX_MESSAGES_SHOWN + 1))
    return LoadResult(load.id, load.counts, load.rejected, tuple(load.entries), messages)


@contextmanager
def _open(source: CsvSource, *, strict: bool, older: bool) -> Iterator[SyncRun]:
    """Opens the folder of a source, for the person who runs the command."""
    from bursar.airflow.config import source_work_dir  # noqa: PLC0415  Airflow is slow to load
    from bursar.airflow.source_folder import open_source_folder  # noqa: PLC0415

    settings = get_settings()
    with open_source_folder(source, settings.server_limits) as folder:
        yield SyncRun(
            engine=get_engine(),
            source=source,
            folder=folder,
            work_dir=source_work_dir(settings, source),
            run_id=None,
            requested_by=get_person(),
            strict=strict,
            allow_older=older,
        )
