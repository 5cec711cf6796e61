"""`bin/bursar profiles`: integration profiles, what they would export, and whether their servers can be reached."""

import sys
from itertools import groupby
from pathlib import Path
from typing import Any

import click
import pendulum
from sqlalchemy.exc import DBAPIError

from bursar.commands.connections import check_connection
from bursar.commands.context import (
    console,
    find_ledger_error,
    get_engine,
    get_profile,
    get_settings,
    sanitize,
    strip_controls,
)
from bursar.commands.output import (
    format_moment,
    format_option,
    make_table,
    plain_counts,
    plain_totals,
    print_data,
    print_problems,
    print_table,
)
from bursar.commands.profile_check import (
    compare_with_airflow,
    compare_with_ledger,
    describe_airflow_error,
)
from bursar.commands.schemas import write_schemas
from bursar.errors import BursarError
from bursar.exports import selection
from bursar.exports.identifier_pattern import pattern_error
from bursar.exports.skip_reason import SkipReason
from bursar.ledger.totals import SelectionSummary
from bursar.moments import parse_moment
from bursar.money import format_money, format_totals, plain_amount, pluralize
from bursar.profiles import INCLUDE, Problem, Profile, ProfileError
from bursar.profiles.json_schema import json_schemas
from bursar.reporting.layout_problems import list_layout_problems
from bursar.sources.read import find_shared_inboxes, load_sources


@click.group()
def profiles() -> None:
    """Integration profiles: include/profiles/*.yaml."""


profiles.add_command(check_connection)


@profiles.command("check")
@format_option
def check_profiles(output_format: str) -> None:
    """Print each problem of a profile as file:line: message, and exit with 1 if there is one. Changes nothing.

    Warnings name libraries, user groups and types that the ledger does not have, and connections that Airflow does not
    have. They do not change the exit status.
    """
    from bursar.airflow.profile_store import load_all_profiles  # noqa: PLC0415  Airflow is slow to load

    folder = INCLUDE / "profiles"
    patterns = _PatternCheck()
    sources = INCLUDE / "sources"
    try:
        settings = get_settings()
        good, problems = load_all_profiles(settings, pattern_error=patterns.error)
        shared = find_shared_inboxes(sources, load_sources(sources, settings)[0], good)
        problems += [problem for found in shared.values() for problem in found]
    except ProfileError as error:  # in bursar.yaml, without which no profile can be checked
        good, problems = [], list(error.problems)
    problems = sorted([*problems, *list_layout_problems(folder, good)])
    warnings, notes = _compare(folder, good, patterns.no_ledger)
    print_problems(output_format, problems, warnings)
    codes = ", ".join(profile.code for profile in good) or "none"
    click.echo(f"{pluralize(len(good), 'good profile')} in {strip_controls(str(folder))}: {codes}", err=True)
    for note in notes:
        click.echo(strip_controls(note), err=True)
    sys.exit(1 if problems else 0)


def _compare(folder: Path, good: list[Profile], no_ledger: str | None) -> tuple[list[Problem], list[str]]:
    """Returns the warnings from the ledger and from Airflow, and which of the two was not reached."""
    warnings: list[Problem] = []
    notes: list[str] = []
    try:
        if not no_ledger:
            warnings += compare_with_ledger(folder, good, get_engine())
    except (BursarError, DBAPIError) as error:
        no_ledger = _describe_ledger_error(error)
    if no_ledger:
        notes.append(
            f"The ledger was not reached, so patterns, libraries, groups and types were not checked. {no_ledger}"
        )
    try:
        warnings += compare_with_airflow(folder, good)
    except BursarError as error:
        notes.append(describe_airflow_error(error))
    return sorted(warnings), notes


def _describe_ledger_error(error: Exception) -> str:
    known, cause = find_ledger_error(error)
    return str(known or cause).strip().partition("\n")[0]


class _PatternCheck:
    """Checks identifier patterns in the ledger; `no_ledger` says why that is not possible."""

    no_ledger: str | None = None

    def error(self, pattern: str) -> str | None:
        """Returns why a pattern is not valid; None if it is, or if there is no ledger."""
        if self.no_ledger is None:
            try:
                with get_engine().connect() as connection:
                    return pattern_error(connection, pattern)
            except (BursarError, DBAPIError) as error:
                self.no_ledger = _describe_ledger_error(error)
        return None


@profiles.command("preview")
@click.argument("code")
@click.option(
    "--as-of",
    metavar="MOMENT",
    help="The moment from which ages are measured, as 2026-03-01T02:00 in the profile's time zone; now if not given.",
)
@click.option(
    "--limit",
    metavar="NUMBER",
    default=20,
    show_default="20",
    type=click.IntRange(min=0),
    help="Fines to list for each reason. The totals are of all fines.",
)
@format_option
def preview_export(code: str, as_of: str | None, limit: int, output_format: str) -> None:
    """Show the fines that an export would take now, and why it would skip others. Changes nothing."""
    from bursar.airflow.profile_store import find_credits_of  # noqa: PLC0415  Airflow is slow to load

    profile = find_credits_of(get_settings(), get_profile(code))
    if not profile.export.active:
        raise BursarError(f"The export section of profile {profile.code} is not active; it has nothing to preview.")
    moment = parse_moment(as_of, profile.time_zone) if as_of is not None else pendulum.now("UTC")
    taken, decisions = selection.preview(get_engine(), profile, as_of=moment, limit=limit)
    if output_format != "table":
        fines = [_get_fields(decision) for decision in decisions]
        summary = {"profile": code, "as_of": moment, **_summarize(taken), "fines_listed": fines}
        print_data(output_format, summary if output_format == "json" else fines)
        return
    console.print(f"[bold]{sanitize(profile.name)}[/] ({profile.code}), as of {format_moment(moment)} UTC")
    groups = {reason: list(fines) for reason, fines in groupby(decisions, lambda decision: decision.reason)}
    console.print(
        f"\n[bold green]Would be exported:[/] {pluralize(taken.fines, 'fine')} of {pluralize(taken.users, 'user')}"
    )
    for currency, sums in taken.totals.items():
        reversals = f" (of them reversals {format_money(sums.reversals, currency)})" if sums.reversals else ""
        console.print(
            f"  charges {format_money(sums.charges, currency)}, credits "
            f"{format_money(sums.credits, currency)}{reversals}"
        )
    _print_fines(groups.get(None, []), taken.fines)
    for reason, left in SkipReason.sort(taken.skipped).items():
        counts = f"{pluralize(left.fines, 'fine')} of {pluralize(left.users, 'user')}, {format_totals(left.net)}"
        words = sanitize(SkipReason.describe(reason))
        console.print(f"\n[bold yellow]Would be skipped[/] ({words}): {counts}")
        _print_fines(groups.get(reason, []), left.fines)


def _summarize(taken: SelectionSummary) -> dict[str, Any]:
    return {
        "users": taken.users,
        "fines": taken.fines,
        "totals": plain_totals(taken.totals),
        "skipped": plain_counts(SkipReason.sort(taken.skipped)),
    }


def _get_fields(decision: selection.FineDecision) -> dict[str, Any]:
    return {
        "skipped_because": decision.reason,
        "fine": decision.fine_id,
        "patron_name": decision.patron_name,
        "identifier": decision.identifier,
        "fine_fee_type": decision.fine_fee_type,
        "is_reversal": decision.is_reversal,
        "created_at": decision.created_at,
        "amount": plain_amount(decision.amount, decision.currency),
        "currency": decision.currency,
    }


def _print_fines(decisions: list[selection.FineDecision], of: int) -> None:
    if decisions:
        table = make_table(("  Fine", "User", "Identifier", "Type", "Created (UTC)"), ("Amount",))
        for decision in decisions:
            table.add_row(
                f"  {decision.fine_id}",
                sanitize(decision.patron_name),
                sanitize(decision.identifier or "none"),
                "reversal" if decision.is_reversal else sanitize(decision.fine_fee_type),
                format_moment(decision.created_at),
                format_money(decision.amount, decision.currency),
            )
        print_table(table, ("Created (UTC)", "Type", "User"))
        if len(decisions) < of:
            console.print(f"  ... and {of - len(decisions):,} more; a higher --limit shows them")


@profiles.command("write-schema")
@format_option
def write_profile_schemas(output_format: str) -> None:
    """Write the JSON Schemas, with which editors complete and check profiles, into include/."""
    write_schemas(json_schemas(), output_format)
