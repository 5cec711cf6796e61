"""The people of a campaign: at the library's desk, in Bursar, at the bursar, and those who decide about events."""

from collections.abc import Callable
from decimal import Decimal
from random import Random

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from bursar.airflow.connections import ledger_url
from bursar.db.engine import ledger_engine
from bursar.errors import BursarError
from bursar.ledger import desk
from bursar.sources.outbox_events import EventState, list_events, mark_event_done, retry_event
from tests.campaign.report import Trace
from tests.campaign.systems.desk import SystemFact
from tests.campaign.systems.server import SystemServer
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fixtures import Library


def make_engine() -> Engine:
    """Makes an engine of the ledger with the role of the DAGs. It must not be open while workers are forked."""
    return ledger_engine(ledger_url())


def list_facts(server: SystemServer) -> list[SystemFact]:
    """Returns what each fine of a library's system went through."""
    return [SystemFact(**fact) for fact in server.order("list_facts")]


class People:
    """All who act in one round."""

    def __init__(self, server: SystemServer, random: Random, trace: Trace) -> None:
        self._server, self._random, self._trace = server, random, trace
        self._library = Library(make_engine())
        self._library.ledger.dispose()
        self._bursar = FakeBursar(self._library)

    def export(self) -> None:
        """Exports all that is open."""
        self._run(self._export)

    def charge(self, count: int) -> None:
        """Charges fines in the library's system."""
        for _ in range(count):
            self._server.order("charge", self._random.randrange(6), f"{self._random.randrange(100, 6000) / 100:.2f}")

    def act(self) -> None:
        """Lets somebody act: at the library, in Bursar, at the bursar, or about an event that waits."""
        acts = (self._act_at_library, self._act_in_bursar, self._export, self._pay, self._decide)
        self._run(self._random.choices(acts, [6, 3, 1, 5, 3])[0])

    def _run(self, act: Callable[[], None]) -> None:
        self._library.ledger = make_engine()
        try:
            act()
        except (BursarError, SQLAlchemyError) as error:
            self._trace.add("people", f"{act.__name__}: {type(error).__name__}: {error}"[:200])
        finally:
            self._library.ledger.dispose()

    def _act_at_library(self) -> None:
        fact = self._random.choice(list_facts(self._server))
        name = self._random.choices(("pay", "waive", "return"), [6, 2, 1])[0]
        part = self._random.choice((0.4, 1))
        if Decimal(fact.amount) > 0 and self._server.order("act", fact.fine, name, part):
            self._trace.add("library", f"{name} {part} of {fact.fine}, which owed {fact.owed}")

    def _act_in_bursar(self) -> None:
        with self._library.ledger.begin() as connection:
            open_fines = "SELECT id, balance FROM fines WHERE source_id IS NOT NULL AND balance > 0 ORDER BY id"
            fines = connection.exec_driver_sql(open_fines).all()
            if not fines:
                return
            fine, open_ = self._random.choice(fines)
            amount = self._random.choice((None, (open_ / 3).quantize(Decimal("0.01"))))
            name = self._random.choice(("pay", "waive", "reverse_charge"))
            self._trace.add("Bursar", f"{name} {amount} of fine {fine}")
            if name == "reverse_charge":
                desk.reverse_charge(connection, fine, amount)
            else:
                getattr(desk, name)(connection, fine, amount or None, by="campaign")

    def _export(self) -> None:
        batch = self._bursar.export()
        self._trace.add("bursar", f"exported batch {batch}")

    def _pay(self) -> None:
        with self._library.ledger.connect() as connection:
            lines = connection.exec_driver_sql(
                "SELECT transaction_id, fines.outstanding, fines.amount FROM batch_lines"
                " JOIN fines ON fines.id = fine_id JOIN batches ON batches.id = batch_id"
                " WHERE closed_at IS NOT NULL AND reversed_transaction_id IS NULL ORDER BY transaction_id"
            ).all()
        if not lines:
            return
        transaction, outstanding, amount = self._random.choice(lines)
        if outstanding > 0:
            paid = self._random.choice((outstanding, (outstanding / 2).quantize(Decimal("0.01")) or outstanding))
        else:
            paid = -(amount / 2).quantize(Decimal("0.01"))
        outcomes = self._bursar.pay(Payment(transaction, f"{paid:.2f}"))
        self._trace.add("bursar", f"paid {paid} of transaction {transaction}: {outcomes[0].outcome}")

    def _decide(self) -> None:
        """Decides about an event that waits, as a person does who looks at the fine in the library's system."""
        with self._library.ledger.connect() as connection:
            waiting = list_events(connection, states=[EventState.REFUSED, EventState.UNKNOWN])
        if not waiting:
            return
        event = self._random.choice(waiting)
        if event.state is EventState.REFUSED and self._random.random() < 0.5:
            retry_event(self._library.ledger, event.id, by="campaign")
            self._trace.add("person", f"retries event {event.id}")
        elif event.state is EventState.REFUSED or "Compare the balance" in event.answer:
            balance = Decimal(self._server.order("correct", event.source_id))
            mark_event_done(self._library.ledger, event.id, by="campaign", balance=balance)
            self._trace.add("person", f"marks event {event.id} as done, with the balance {balance}")
