"""`bin/bursar profiles`: integration profiles, what they would export, and whether their servers can be reached."""

import sys
from itertools import groupby

import click
import pendulum

from bursar.commands.connections import check_connection
from bursar.commands.context import console, get_engine, get_profile, get_settings, sanitize, strip_controls
from bursar.commands.output import format_moment, make_table, print_table
from bursar.errors import BursarError
from bursar.exports import selection
from bursar.exports.identifier_pattern import pattern_error
from bursar.exports.skip_reason import SkipReason
from bursar.moments import parse_moment
from bursar.money import format_money, format_totals, pluralize
from bursar.profiles import INCLUDE, ProfileError, load_profiles
from bursar.profiles.json_schema import json_schemas


@click.group()
def profiles() -> None:
    """Integration profiles: include/profiles/*.yaml."""


profiles.add_command(check_connection)


@profiles.command("check")
def check_profiles() -> None:
    """Print each problem of a profile as file:line: message, and exit with 1 if there is one. Changes nothing."""
    patterns = _PatternCheck()
    try:
        good, problems = load_profiles(INCLUDE / "profiles", get_settings(), pattern_error=patterns.error)
    except ProfileError as error:  # in bursar.yaml, without which no profile can be checked
        good, problems = [], list(error.problems)
    for problem in problems:
        click.echo(strip_controls(str(problem)))
    click.echo(
        f"{pluralize(len(good), 'good profile')}: {', '.join(profile.code for profile in good) or 'none'}", err=True
    )
    if patterns.no_ledger:
        click.echo(
            f"No identifier_pattern was checked, because that needs the ledger: {strip_controls(patterns.no_ledger)}",
            err=True,
        )
    sys.exit(1 if problems else 0)


class _PatternCheck:
    """Checks identifier patterns in the ledger; `no_ledger` says why that is not possible."""

    no_ledger: str | None = None

    def error(self, pattern: str) -> str | None:
        """Returns why a pattern is not valid; None if it is, or if there is no ledger."""
        if self.no_ledger is None:
            try:
                with get_engine().connect() as connection:
                    return pattern_error(connection, pattern)
            except BursarError as error:
                self.no_ledger = str(error)
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
def preview_export(code: str, as_of: str | None, limit: int) -> None:
    """Show the fines that an export would take now, and why it would skip others. Changes nothing."""
    profile = get_profile(code)
    if not profile.export.active:
        raise BursarError(f"The export section of profile {profile.code} is not active; it has nothing to preview.")
    moment = parse_moment(as_of, profile.time_zone) if as_of else pendulum.now("UTC")
    taken, decisions = selection.preview(get_engine(), profile, as_of=moment, limit=limit)
    shown = moment.astimezone(pendulum.timezone(profile.time_zone))
    console.print(f"[bold]{sanitize(profile.name)}[/] ({profile.code}), as of {shown:%Y-%m-%d %H:%M %Z}")
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
        print_table(table)
        if len(decisions) < of:
            console.print(f"  ... and {of - len(decisions):,} more; a higher --limit shows them")


@profiles.command("write-schema")
def write_schemas() -> None:
    """Write the JSON Schemas, with which editors complete and check profiles, into include/."""
    for name, schema in json_schemas().items():
        (INCLUDE / name).write_text(schema, encoding="utf-8")
        click.echo(f"Wrote {INCLUDE / name}")
