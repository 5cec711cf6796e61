"""What became of the changes in the library's system: in the ledger, and in the files to the bursars."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Engine, Row, text

from bursar.exports.skip_reason import SkipReason
from bursar.ledger.entry_type import EntryType
from bursar.money import format_amount
from bursar.sources.messages import RowMessage
from bursar.sources.records import LoadRecord, list_load_messages, list_loads
from demo.changes import CHANGES, Change
from demo.exports import Export
from demo.library_system import SOURCE

USERS = text("""
    SELECT source_id, concat_ws(', ', last_name, nullif(first_name, '')) AS name
    FROM fines JOIN users ON users.id = user_id WHERE source = :source AND source_id = ANY (:ids)
""")
ENTRIES = text("""
    SELECT source_id, entry_type, balance_change AS amount, currency
    FROM journal_entries JOIN fines ON fines.id = fine_id
    WHERE load_id = :load_id ORDER BY journal_entries.id
""")
LINES = text("""
    SELECT source_id, batch_id, transaction_id, reversed_transaction_id, batch_lines.amount
    FROM batch_lines JOIN fines ON fines.id = fine_id WHERE source = :source AND source_id = ANY (:ids)
    ORDER BY batch_id, number
""")


@dataclass(frozen=True)
class Outcome:
    """What became of a change. `user` is the name of the fine's user, `done` says what the load did.

    `sent` is the amount in the files of the exports that followed, and `line` what that is for the bursar.
    """

    change: Change
    user: str
    done: str
    sent: Decimal
    line: str


def get_loads(engine: Engine) -> list[LoadRecord]:
    """Returns the loads of the source, oldest first."""
    with engine.connect() as connection:
        return list_loads(connection, source=SOURCE, limit=100)[::-1]


def get_outcomes(engine: Engine, load: LoadRecord, second: list[Export]) -> list[Outcome]:
    """Returns what a load, and the second exports after it, did with each change."""
    fines = {"source": SOURCE, "ids": [id_ for one in CHANGES for id_ in (one.fine, *one.ids)]}
    batches = {export.batch.id for export in second}
    with engine.connect() as connection:
        users = {row.source_id: row.name for row in connection.execute(USERS, fines)}
        entries = connection.execute(ENTRIES, {"load_id": load.id}).all()
        lines = connection.execute(LINES, fines).all()
        messages = list_load_messages(connection, load.id)
    outcomes = []
    for change in CHANGES:
        of_change = [line for line in lines if line.source_id in change.ids]
        outcomes.append(
            Outcome(
                change,
                users.get(change.fine, ""),
                "; ".join(
                    [_describe_message(message) for message in messages if message.source_id in change.ids]
                    + [_describe_entry(entry) for entry in entries if entry.source_id in change.ids]
                ),
                sum((line.amount for line in of_change if line.batch_id in batches), Decimal()),
                _describe_line(of_change[-1], is_new=of_change[-1].batch_id in batches) if of_change else "nothing",
            )
        )
    return outcomes


def find_load_problems(
    loads: Sequence[LoadRecord], outcomes: Sequence[Outcome], first: list[Export], second: list[Export], returned: int
) -> list[str]:
    """Returns the problems of the two loads, and of the exports of what has changed, as sentences.

    `returned` is the number of fines whose items were returned in other systems.
    """
    problems = []
    outcome_of_loads = [(load.outcome, load.counts.rejected, load.counts.warnings) for load in loads]
    if outcome_of_loads != [("loaded", 0, 0), ("loaded with warnings", 1, 0)]:
        problems.append(f"the loads ended with {outcome_of_loads}")
    for one in outcomes:
        name = f"{one.change.ids[0]}, {one.change.said}"
        if not one.done:
            problems.append(f"{name}: the load did nothing")
        if one.sent != one.change.to_bursar:
            problems.append(f"{name}: {one.sent} went to the bursars, not {one.change.to_bursar}")
    changed = sum(one.sent != 0 for one in outcomes) + returned
    sent = sum(export.batch.fines for export in second)
    if sent != changed:
        problems.append(f"the second exports sent {sent} fines, the libraries' systems had changed {changed}")
    if not any(SkipReason.STILL_ACCRUING in export.batch.skipped for export in first):
        problems.append("the first exports skipped no fine that still grows")
    return problems


def _describe_message(message: RowMessage) -> str:
    return f"row {message.kind}: {message.file}, line {message.line}: {message.reason}"


def _describe_entry(entry: Row[tuple[str, str, Decimal, str]]) -> str:
    if entry.entry_type == EntryType.CHARGED:
        return "credit added" if entry.amount < 0 else "charge added"
    sign = "+" if entry.amount > 0 else ""
    amount = f": {sign}{format_amount(entry.amount, entry.currency)}" if entry.amount else ""
    return f"{EntryType.describe(entry.entry_type)}{amount}"


def _describe_line(line: Row[tuple[str, int, str, str | None, Decimal]], *, is_new: bool) -> str:
    """Says what a line is for the bursar; one that is not new was sent by the first exports."""
    if not is_new:
        return f"nothing: transaction {line.transaction_id} stays"
    if line.reversed_transaction_id:
        return f"reverses transaction {line.reversed_transaction_id}"
    return f"new transaction {line.transaction_id}"
