"""`bin/bursar sources sync`, and the check of a library's system: sources that are read over an API."""

from dataclasses import asdict
from datetime import UTC, datetime

import click

from bursar.commands.context import console, get_engine, get_person, get_settings, get_source, sanitize
from bursar.commands.loads import get_result_fields, print_load
from bursar.commands.output import format_option, print_data
from bursar.errors import BursarError
from bursar.sources.outbox import Outbox, describe_counts
from bursar.sources.readings import ReadingRun
from bursar.sources.source_lock import lock_source
from bursar.sources.system import Finding
from bursar.sources.system_model import SystemSource


@click.command("sync")
@click.argument("code")
@click.option("--dry-run", is_flag=True, help="Read, print what would change, and change nothing here or there.")
@format_option
def sync_source(code: str, dry_run: bool, output_format: str) -> None:  # noqa: FBT001  click passes flags by name
    """Write the events that are due into the library's system of the source CODE, read it, and load what it says."""
    from bursar.airflow.config import source_work_dir  # noqa: PLC0415  Airflow is slow to load
    from bursar.airflow.library_systems import open_library_system  # noqa: PLC0415

    source = get_system_source(code)
    engine, settings = get_engine(), get_settings()
    written, failure = None, None
    with open_library_system(source) as system:
        if not dry_run:
            try:
                written = Outbox(engine, source).write(system)
            except BursarError as error:  # fines are read all the same, or exports bill what has been settled meanwhile
                failure = error
        with lock_source(engine, code) as lock:
            results = ReadingRun(
                engine=engine,
                lock=lock,
                source=source,
                system=system,
                work_dir=source_work_dir(settings, source),
                run_id=None,
                requested_by=get_person(),
                now=datetime.now(UTC),
            ).load(dry_run=dry_run)
    if output_format != "table":
        print_data(output_format, [get_result_fields(result) for result in results])
    else:
        if written:
            console.print(sanitize(f"Written into {source.name}: {describe_counts(written)}."))
        for result in results:
            print_load(output_format, result, dry_run=dry_run)
    if failure:
        raise failure


def check_system(source: SystemSource) -> list[Finding]:
    """Asks the library's system of a source for what it needs, and returns what was found. Changes nothing."""
    from bursar.airflow.library_systems import open_library_system  # noqa: PLC0415  Airflow is slow to load

    with open_library_system(source) as system:
        return system.check()


def print_findings(output_format: str, findings: list[Finding]) -> None:
    """Prints what a check of a library's system has found, a line each; for people, what is wrong comes last."""
    if output_format != "table":
        print_data(output_format, [asdict(finding) for finding in findings])
        return
    for finding in sorted(findings, key=lambda one: not one.is_good):
        remedy = f" {finding.remedy}" if finding.remedy else ""
        mark = "good" if finding.is_good else "WRONG"
        console.print(sanitize(f"{mark}: {finding.subject}: {finding.text}{remedy}"), soft_wrap=True)


def get_system_source(code: str) -> SystemSource:
    """Returns a source that is a library's system; a click error says what else it is."""
    source = get_source(code)
    if not isinstance(source, SystemSource):
        raise click.UsageError(f"{code} is a folder of files: `bin/bursar sources load {code}` loads them.")
    return source
