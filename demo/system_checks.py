"""Compares FOLIO and Koha with the ledger: each event is there once, and what is owed there is owed in the ledger."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, text

from bursar.money import pluralize
from bursar.sources.outbox_events import EventState, OutboxEvent, list_events
from bursar.sources.system import EventKind
from demo.systems import FOLIO, KOHA, LibrarySystems

KEY = re.compile(r"bursar:([0-9a-f-]{36})")
FINES = text("SELECT source_id, amount, balance FROM fines WHERE source = :source")
Written = list[tuple[str, Decimal]]
"""The key and the amount of each thing that Bursar wrote into a system."""


@dataclass(frozen=True)
class SystemState:
    """A library's system and the ledger at the same moment, without fines that nobody owes.

    `there` is what is owed by the ids of the fines, negative for a credit; `ledger` is the same in the ledger.
    """

    source: str
    there: Mapping[str, Decimal]
    ledger: Mapping[str, Decimal]
    fines: int
    events: list[OutboxEvent]
    written: Written

    @property
    def unused_credits(self) -> dict[str, Decimal]:
        """The credits of returned items that were sent to the bursar, which a person has to use up, by their ids."""
        return {
            event.source_id: -event.amount
            for event in self.events
            if event.state is EventState.REFUSED and self.there.get(event.source_id) == -event.amount
        }


def get_system_states(engine: Engine, systems: LibrarySystems) -> list[SystemState]:
    """Returns both systems as they are now."""
    of_folio = (_list_open_in_folio(systems), _list_written_to_folio(systems))
    of_koha = (_list_open_in_koha(systems), _list_written_to_koha(systems))
    states = []
    with engine.connect() as connection:
        for source, (there, written) in ((FOLIO, of_folio), (KOHA, of_koha)):
            rows = connection.execute(FINES, {"source": source}).all()
            events = list_events(connection, source=source)
            ledger = {row.source_id: row.balance for row in rows if row.balance}
            states.append(SystemState(source, dict(there), ledger, len(rows), events, list(written)))
    return states


def find_system_problems(states: list[SystemState]) -> list[str]:
    """Returns the differences between systems and ledger, as sentences."""
    problems = []
    for state in states:
        counts = Counter(key for key, _ in state.written)
        problems += [f"{state.source}: event {key} was written twice" for key, count in counts.items() if count > 1]
        recorded = {str(event.key): -event.balance_change for event in state.events if event.balance_change}
        if recorded != dict(state.written):
            problems.append(f"{state.source}: {len(recorded)} events changed something, {len(counts)} are there")
        problems += [
            f"{state.source}: the event {event.kind.value} of {event.source_id} is {event.state.value}"
            for event in state.events
            if event.state is not EventState.DONE and event.source_id not in state.unused_credits
        ]
        expected = {**state.ledger, **state.unused_credits}
        problems += [
            f"{state.source}: {state.there.get(fine, 0)} is owed for {fine}, in the ledger {expected.get(fine, 0)}"
            for fine in sorted(state.there.keys() | expected.keys())
            if state.there.get(fine) != expected.get(fine)
        ]
    return problems


def print_systems(out: Console, states: list[SystemState]) -> None:
    """Prints totals of both systems beside those of the ledger, and what waits for a person."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("")
    for heading in (
        "Fines\nread",
        "Handed\nover",
        "\nUSD",
        "Written\nthere",
        "\nUSD",
        "Owed\nthere",
        "Owed in\nledger",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    for state in states:
        handed_over = [event for event in state.events if event.kind is EventKind.HANDED_OVER]
        sums = [-sum((event.balance_change for event in handed_over), Decimal()), *_sum_all(state)]
        numbers = [f"{amount:,.2f}" for amount in sums]
        counts = (f"{state.fines:,}", f"{len(handed_over):,}", f"{len(state.written):,}")
        table.add_row(state.source, *counts[:2], numbers[0], counts[2], *numbers[1:])
    out.print(table)
    for state in states:
        for event in state.events:
            if event.state is EventState.REFUSED:
                out.print(f"[yellow]For a person in {state.source}:[/] {event.answer}")
    done = sum(event.state is EventState.DONE for state in states for event in state.events)
    out.print(f"{pluralize(done, 'event')} done, each once. `bin/bursar sources outbox list` shows them.")


def _sum_all(state: SystemState) -> Iterator[Decimal]:
    for amounts in ((amount for _, amount in state.written), state.there.values(), state.ledger.values()):
        yield sum(amounts, Decimal())


def _list_open_in_folio(systems: LibrarySystems) -> Iterator[tuple[str, Decimal]]:
    for account in systems.folio.library.accounts.by_id.values():
        if account["status"]["name"] == "Open" and account["remaining"]:
            yield account["id"], Decimal(str(account["remaining"]))


def _list_written_to_folio(systems: LibrarySystems) -> Iterator[tuple[str, Decimal]]:
    for action in systems.folio.library.actions.by_id.values():
        if found := KEY.search(f"{action.get('transactionInformation')} {action.get('comments')}"):
            yield found[1], Decimal(str(action["amountAction"]))


def _list_open_in_koha(systems: LibrarySystems) -> Iterator[tuple[str, Decimal]]:
    for row in systems.koha.state.rows("SELECT * FROM accountlines WHERE amountoutstanding <> 0"):
        yield str(row["accountlines_id"]), Decimal(str(row["amountoutstanding"]))


def _list_written_to_koha(systems: LibrarySystems) -> Iterator[tuple[str, Decimal]]:
    for row in systems.koha.state.rows("SELECT * FROM accountlines WHERE note LIKE 'bursar:%'"):
        if found := KEY.search(row["note"]):
            yield found[1], -Decimal(str(row["amount"]))
