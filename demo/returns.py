"""Two lost books that are returned after the export, in FOLIO and in Koha, and what becomes of their fines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy import Connection, Engine, text

from bursar.commands.context import sanitize
from bursar.money import format_amount
from demo.system_records import LOST_IN_FOLIO, LOST_IN_KOHA
from demo.systems import FOLIO, KOHA, LibrarySystems
from tests.support.koha_state import KohaState

LOST = {FOLIO: LOST_IN_FOLIO, KOHA: LOST_IN_KOHA}
"""The ids of the fines in each system."""
MOMENTS = ("It was read", "It was exported, and closed there", "The book was returned, and all exports ran again")
"""The moments at which the fines are looked at."""
FINE = text("""
    SELECT fines.id, status, balance, outstanding, amount, currency,
           concat_ws(', ', last_name, nullif(first_name, '')) AS name
    FROM fines JOIN users ON users.id = user_id WHERE source = :source AND source_id = :id
""")
LINES = text("""
    SELECT transaction_id, reversed_transaction_id, batch_lines.amount
    FROM batch_lines JOIN fines ON fines.id = fine_id WHERE :fine IN (fines.id, reverses)
    ORDER BY batch_id, number
""")


@dataclass(frozen=True)
class Standing:
    """A fine at a moment, in words: in the library's system, in the ledger, and at the bursar."""

    user: str
    system: str
    ledger: str
    bursar: str


def get_standings(engine: Engine, systems: LibrarySystems) -> dict[str, Standing]:
    """Returns how the fines of both books are now, by source."""
    there = {FOLIO: _describe_folio(systems), KOHA: _describe_koha(systems.koha.state)}
    with engine.connect() as connection:
        return {source: _get_standing(connection, source, there[source]) for source in LOST}


def print_returns(out: Console, standings: Sequence[Mapping[str, Standing]]) -> None:
    """Prints the fines at the three moments."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    headings = ("Lost book", 14), ("What happened", 24), ("In FOLIO or Koha", 26), ("Ledger", 16), ("At the bursar", 26)
    for heading, width in headings:
        table.add_column(heading, max_width=width)
    for source in LOST:
        for moment, standing in zip(MOMENTS, standings, strict=True):
            one = standing[source]
            name = f"{source}\n{sanitize(one.user)}" if moment is MOMENTS[0] else ""
            table.add_row(escape(name), moment, one.system, one.ledger, one.bursar)
        table.add_row()
    out.print(table)


def find_return_problems(standings: Sequence[Mapping[str, Standing]]) -> list[str]:
    """Returns the problems of the two fines, as sentences."""
    problems = []
    for source in LOST:
        ledger = [standing[source].ledger for standing in standings]
        bursar = [standing[source].bursar.partition(":")[0] for standing in standings]
        if not ledger[0].startswith("active") or [one.partition(",")[0] for one in ledger[1:]] != ["closed", "closed"]:
            problems.append(f"the lost book of {source} is {', then '.join(ledger)} in the ledger")
        if bursar != ["nothing", "owed", "reversed"]:
            problems.append(f"the lost book of {source} is {', then '.join(bursar)} at the bursar")
    return problems


def _get_standing(connection: Connection, source: str, there: str) -> Standing:
    fine = connection.execute(FINE, {"source": source, "id": LOST[source]}).one()
    lines = connection.execute(LINES, {"fine": fine.id}).all()
    bursar = "nothing"
    if lines:
        owed = format_amount(fine.outstanding, fine.currency)
        bursar = f"owed: {owed}, transaction {lines[0].transaction_id}"
        if fine.outstanding == sum(line.amount for line in lines) == 0:
            bursar = f"reversed: {owed}, by transaction {lines[-1].transaction_id}"
    ledger = f"{fine.status.lower()}, {format_amount(fine.balance, fine.currency)}"
    return Standing(fine.name, there, ledger, bursar)


def _describe_folio(systems: LibrarySystems) -> str:
    account = systems.folio.library.accounts.by_id[LOST_IN_FOLIO]
    return f"{account['status']['name']}, {account['remaining']:.2f}: {account['paymentStatus']['name']}"


def _describe_koha(state: KohaState) -> str:
    """Describes a line, the credits that were applied to it, and those of its item that are still open."""
    rows = "SELECT amountoutstanding, status FROM accountlines WHERE accountlines_id = ?"
    [line] = state.rows(rows, LOST_IN_KOHA)
    applied = state.rows(
        "SELECT credit_type_code, -sum(o.amount) AS amount FROM account_offsets AS o"
        " JOIN accountlines AS credits ON credits.accountlines_id = credit_id"
        " WHERE debit_id = ? GROUP BY credit_type_code",
        LOST_IN_KOHA,
    )
    unused = state.rows(
        "SELECT credit_type_code, -amountoutstanding AS amount FROM accountlines"
        " WHERE amountoutstanding < 0 AND itemnumber ="
        " (SELECT itemnumber FROM accountlines WHERE accountlines_id = ?)",
        LOST_IN_KOHA,
    )
    status = line["status"] or ("open" if line["amountoutstanding"] else "closed")
    credits_ = [f"credit {one['credit_type_code']} {one['amount']:.2f}" for one in applied]
    credits_ += [f"unused credit {one['credit_type_code']} {one['amount']:.2f}" for one in unused]
    return f"{status}, {line['amountoutstanding']:.2f}" + (f": {'; '.join(credits_)}" if credits_ else "")
