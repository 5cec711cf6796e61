"""`bin/bursar imports`: the files of payments from bursars, the records to look at, and files applied again."""

import sys
from typing import Any

import click
from sqlalchemy import Row

from bursar.commands.context import ID, console, get_engine, get_person, get_profile, sanitize, strip_controls
from bursar.commands.output import (
    format_moment,
    format_option,
    limit_option,
    make_table,
    plain_counts,
    print_data,
    print_json,
    print_result,
    print_table,
)
from bursar.db.queries import query
from bursar.imports.apply_again import RepeatedArrival, describe_arrival, get_repeated_arrival, require_second_file
from bursar.imports.apply_again import apply_again as apply_file_again
from bursar.imports.rejects import COLUMNS, write_rejects
from bursar.ledger.import_files import PaymentOutcome, get_import_file
from bursar.ledger.totals import OutcomeTotals, read_outcomes

FIELDS = (
    *("file", "profile", "run_id", "name", "size", "sha256", "state", "registered_at", "applied_at", "records"),
    *("outcomes", "rejection", "archived_path", "requested_by", "repeated_arrival"),
)
REPEATED = "REPEATED"
"""The state in lists of an arrival that changed nothing; the ledger has no such state of a file."""
APPLIED_AGAIN_FIELDS = ("profile", "name", "size", "sha256", "state", "applied_at", "records", "requested_by")


@click.group()
def imports() -> None:
    """Files of payments from the bursars."""


@imports.command("list")
@click.option("--profile", metavar="CODE", help="Files of this profile only.")
@limit_option
@format_option
def list_imports(profile: str | None, limit: int, output_format: str) -> None:
    """List the newest files from the bursars, the outcomes of their records, and repeated files. Changes nothing.

    A repeated file has the bytes of one that was applied before. It changed nothing; its state is REPEATED.
    """
    chosen = {"profile": profile, "limit": limit}
    with get_engine().connect() as connection:
        files = connection.execute(query("commands/list_imports"), chosen).all()
        rows = connection.execute(query("commands/list_repeated_files"), chosen)
        repeated = [RepeatedArrival.from_row(row) for row in rows]
    if profile and not files:
        get_profile(profile)  # or the error that there is none
    if output_format != "table":
        print_data(output_format, [*map(_get_fields, files), *map(_get_fields_of_repeated, repeated)])
        return
    if not files:
        console.print(
            "No file has come from a bursar yet."
            if profile is None
            else f"No file has come for profile {sanitize(profile)}."
        )
        return
    table = make_table(
        ("File", "Profile", "Name", "State", "Registered (UTC)"), ("Records",), ("Outcomes", "Archived as")
    )
    for file in files:
        outcomes = [f"{one.records:,} {name}" for name, one in _get_outcomes(file).items()]
        table.add_row(
            str(file.id),
            sanitize(file.profile),
            sanitize(file.name),
            file.state,
            format_moment(file.registered_at),
            "" if file.records is None else f"{file.records:,}",
            sanitize(file.rejection) if file.rejection else "\n".join(map(sanitize, outcomes)),
            sanitize(_describe_request(file) if file.requested_by else file.archived_path or ""),
        )
    print_table(table, ("Archived as", "Registered (UTC)", "Records"))
    for arrival in repeated:
        console.print(f"\n{sanitize(_describe_repeated(arrival))}")


def _describe_repeated(arrival: RepeatedArrival) -> str:
    same = f"{arrival.name} of {arrival.profile} is repeated: it has the bytes of {arrival.applied_name} (file "
    same += f"{arrival.file_id}), and changed nothing."
    if arrival.is_same_file:
        return f"{same} It is that file, which was not moved away."
    return f"{same} If it reports other payments: `imports apply-again {arrival.id}`."


def _get_fields_of_repeated(arrival: RepeatedArrival) -> dict[str, Any]:
    known = {name: getattr(arrival, name) for name in ("profile", "run_id", "name", "size", "applied_at", "records")}
    other = {"file": arrival.file_id, "state": REPEATED, "outcomes": {}, "repeated_arrival": arrival.id}
    return {name: (known | other).get(name) for name in FIELDS}


def _describe_request(file: Row[Any]) -> str:
    if file.applied_at:
        return f"applied again by {file.requested_by}"
    return f"begun by {file.requested_by}: repeat `imports apply-again {file.repeated_arrival_id}`"


def _get_fields(file: Row[Any]) -> dict[str, Any]:
    made = {
        "file": file.id,
        "outcomes": plain_counts(_get_outcomes(file)),
        "repeated_arrival": file.repeated_arrival_id,
    }
    return {name: made[name] if name in made else getattr(file, name) for name in FIELDS}


def _get_outcomes(file: Row[Any]) -> dict[str, OutcomeTotals]:
    return PaymentOutcome.sort(read_outcomes(file.outcomes or {}))


@imports.command("rejects")
@click.argument("file", type=ID)
@format_option
def list_rejects(file: int, output_format: str) -> None:
    """List the records of a file that a person has to look at, with lines and reasons. Changes nothing."""
    with get_engine().connect() as connection:
        found = get_import_file(connection, file)  # or the error that there is none
        if output_format == "csv":
            write_rejects(connection, file, sys.stdout)
            return
        rows = connection.execute(query("imports/list_rejects"), {"file_id": file}).all()
    if output_format == "json":
        print_json([dict(zip(COLUMNS, row, strict=True)) for row in rows])
        return
    if found.rejection:
        console.print(sanitize(f"{found.name} was rejected as a whole: {found.rejection}"))
        return
    if not rows:
        console.print(f"No record of {sanitize(found.name)} has to be looked at.")
        return
    table = make_table(("Line", "Outcome", "Transaction", "Fine"), ("Sum", ""), ("Reason",))
    for row in rows:
        reject = dict(zip(COLUMNS, ("" if value is None else str(value) for value in row), strict=True))
        names = ("line", "outcome", "transaction_id", "internal_id", "sum", "currency", "reason")
        table.add_row(*(sanitize(reject[name]) for name in names))
    print_table(table, ("Fine",))


@imports.command("apply-again")
@click.argument("arrival", type=ID)
@click.option("--yes", is_flag=True, help="Apply without being asked.")
@format_option
def apply_again(arrival: int, yes: bool, output_format: str) -> None:  # noqa: FBT001  click passes flags by name
    """Apply a file whose bytes had been applied before, once, because it reports other payments.

    ARRIVAL is the number that `imports list` shows for a repeated file. Records your name.
    """
    engine = get_engine()
    with engine.connect() as connection:
        repeated = get_repeated_arrival(connection, arrival)
    section = get_profile(repeated.profile).import_
    if repeated.again_file_id is None:
        require_second_file(repeated)
    if not yes:
        click.echo(strip_controls(describe_arrival(repeated)), err=True)
        click.confirm(
            "Has the bursar confirmed that the file reports other payments than before?", abort=True, err=True
        )
    file = apply_file_again(engine, arrival, section, by=get_person())
    outcomes = PaymentOutcome.sort(file.outcomes or {})
    counts = ", ".join(f"{one.records:,} {name}" for name, one in outcomes.items()) or "no records"
    fields = {name: getattr(file, name) for name in APPLIED_AGAIN_FIELDS}
    print_result(
        output_format,
        {"file": file.id, **fields, "outcomes": plain_counts(outcomes)},
        f"{sanitize(file.name)} has been applied again as file {file.id}, at the request of "
        f"{sanitize(file.requested_by or '')}: {sanitize(counts)}. `bin/bursar imports rejects {file.id}` lists the "
        "records to look at.",
    )
