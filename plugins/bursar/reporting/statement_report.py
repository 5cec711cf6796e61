"""Builds the report of a run that compared statements, from their records in the ledger."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from bursar.db.queries import query
from bursar.ledger.jobs import Job
from bursar.ledger.totals import OutcomeTotals, sum_by_currency
from bursar.money import format_totals, pluralize
from bursar.page_names import Page
from bursar.reporting.build_report import get_outcome, get_tasks, start_report
from bursar.reporting.report_sentences import MAX_NAMES_SHOWN, describe_failures, describe_skipped_entries
from bursar.reporting.run_description import format_minute
from bursar.reporting.run_report import RunReport
from bursar.statements.records import DIFFERENCES, Statement, list_statements_of_run

MAX_AGE = timedelta(days=31)
"""The age of a monthly statement. People are warned of an older one, whose day may be a wrong one."""


def build_statement_report(
    engine: Engine, profile: str, *, run_id: str, started_at: datetime, failed: Collection[str]
) -> RunReport:
    """Returns the report of a run that compared statements; `failed` are the names of the tasks that failed.

    Its `rejects` have the results by their outcomes, with the differences of the sums.
    """
    with engine.begin() as connection:
        of_folder = {"profile": f"statement:{profile}", "run_id": run_id}
        connection.execute(query("reporting/claim_skipped_entries"), of_folder)
        limited = of_folder | {"limit": MAX_NAMES_SHOWN}
        skipped = connection.execute(query("reporting/list_skipped_entries"), limited).all()
        statements = list_statements_of_run(connection, profile, run_id)
        report = start_report(Job.STATEMENT, profile, run_id, started_at)
        timings, errors = get_tasks(connection, report)
    messages = describe_failures(failed, errors)
    for statement in statements:
        messages += [statement.warning] if statement.warning else []
        messages += [describe_differences(statement)] if statement.differences else []
        messages += [age] if (age := describe_age(statement)) else []
    words = {"what": "statement", "section": "statement"}
    messages += [describe_skipped_entries(row, **words) for row in skipped if row.is_odd]
    others = [describe_skipped_entries(row, **words) for row in skipped if not row.is_odd]
    outcome = get_outcome(failed, messages if statements else messages + others, something=bool(statements))
    notes = [describe_sums(statement) for statement in statements if statement.compared_at]
    return replace(
        report,
        outcome=outcome,
        files=tuple(statement.name for statement in statements),
        users=sum(statement.users or 0 for statement in statements),
        fines=sum(statement.results for statement in statements if not statement.of_users),
        rejects=_sum_outcomes(statements),
        task_timings=timings,
        messages=(*messages, *others, *notes),
    )


def describe_differences(statement: Statement) -> str:
    """Says how many results of a statement a person has to look at."""
    outcomes = statement.outcomes or {}
    counts = "; ".join(
        f"{outcomes[outcome].results:,}: {outcome.description}" for outcome in DIFFERENCES if outcome in outcomes
    )
    verb = "does" if statement.differences == 1 else "do"
    return (
        f"{statement.differences:,} of {pluralize(statement.results, statement.subject)} in {statement.name} {verb} "
        f"not agree ({counts}). Nothing was changed. {Page.STATEMENTS} lists what differs "
        f"(`bin/bursar statements show {statement.id}`). Clarify it with the bursar."
    )


def describe_age(statement: Statement) -> str:
    """Says that a statement counts for a day so long ago that most differences are pending; empty for a newer one."""
    age = statement.registered_at - statement.stated_at
    if statement.compared_at is None or age <= MAX_AGE:
        return ""
    return (
        f"{statement.name} counts for a moment {age.days} days before it was compared. What differs and may have "
        "changed since is pending. If the bursar's list is newer than that, have its day corrected."
    )


def describe_sums(statement: Statement) -> str:
    """Says the sums of both sides of a statement, by currency."""
    there, here = ("open there", "outstanding here") if statement.lists == "open" else ("billed there", "exported here")
    theirs, ours = format_totals(statement.theirs), format_totals(statement.ours)
    is_earlier = statement.stated_at + timedelta(minutes=1) < min(statement.modified, statement.registered_at)
    moment = f" counts for {format_minute(statement.stated_at, ZoneInfo('UTC'))}" if is_earlier else ""
    return f"{statement.name}{moment}: {theirs} {there}, {ours} {here}."


def _sum_outcomes(statements: Iterable[Statement]) -> dict[str, OutcomeTotals]:
    """Returns the results of all statements by outcome, each with the sums of theirs less ours."""
    found: dict[str, OutcomeTotals] = {}
    for statement in statements:
        for outcome, one in (statement.outcomes or {}).items():
            known = found.get(outcome, OutcomeTotals(0))
            found[outcome] = OutcomeTotals(known.records + one.results, sum_by_currency([known.sums, one.difference]))
    return found
