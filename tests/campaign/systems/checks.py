"""The checks after a round: the library's system, and the ledger by plain SQL. They use no code of Bursar."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from psycopg import Connection

from tests.campaign.report import Violation
from tests.campaign.systems.desk import SystemFact

WITH_A_PERSON = ("refused", "unknown")
_EVENTS = """
SELECT outbox_events.*, fines.source_id, entries.entry_type FROM outbox_events
JOIN fines ON fines.id = fine_id JOIN journal_entries AS entries ON entries.id = entry_id ORDER BY outbox_events.id
"""
_ENTRIES_WITHOUT_EVENT = """
SELECT entries.id, entries.entry_type, fines.source_id FROM journal_entries AS entries
JOIN fines AS own ON own.id = entries.fine_id
JOIN fines ON fines.id = CASE WHEN own.source_id IS NULL THEN own.reverses ELSE own.id END
WHERE entries.load_id IS NULL AND fines.source_id IS NOT NULL
  AND (entries.entry_type IN ('EXPORTED', 'EXPORTED_AND_PAID', 'PAID_AT_BURSAR', 'PAID', 'WAIVED')
       AND own.source_id IS NOT NULL
       OR entries.entry_type = 'CHARGED' AND own.source_id IS NULL AND own.reverses IS NOT NULL)
  AND NOT EXISTS (SELECT FROM outbox_events WHERE entry_id = entries.id)
"""
_FINES = """
SELECT source_id, source_amount, source_balance, balance, outstanding,
       (SELECT -coalesce(sum(balance_change + outstanding_change), 0) FROM journal_entries
        WHERE fine_id = fines.id AND load_id IS NOT NULL AND entry_type NOT IN ('CHARGED', 'ADJUSTED', 'MOVED'))
           AS settled_by_loads,
       EXISTS (SELECT FROM journal_entries WHERE fine_id = fines.id AND entry_type = 'PAID_AT_BURSAR')
           AS is_paid_at_bursar,
       EXISTS (SELECT FROM deferred_fines WHERE deferred_fines.source_id = fines.source_id) AS is_deferred,
       EXISTS (SELECT FROM journal_entries AS entries JOIN fines AS own ON own.id = entries.fine_id
               WHERE (own.id = fines.id OR own.reverses = fines.id AND own.source_id IS NULL)
                 AND entries.load_id IS NULL AND entries.entry_type IN ('PAID', 'WAIVED', 'CHARGED')) AS is_settled_here
FROM fines WHERE source_id IS NOT NULL
"""


def _is_with_person(event: dict[str, Any]) -> bool:
    return event["state"] in WITH_A_PERSON or bool(event["decision"])


@dataclass
class Checks:
    """The checks of one round. `keys` has the number of actions by key, `ids` the key of each event by its id.

    Shared facts: `with_person` has the fines with an event that a person has to deal with, or has dealt with.
    """

    connection: Connection
    facts: Sequence[SystemFact]
    keys: dict[str, int]
    key_of: dict[int, str]
    count: int = 0
    found: list[Violation] = field(default_factory=list)

    def run(self) -> list[Violation]:
        """Runs all checks; returns the violations."""
        self.events = self._rows(_EVENTS)
        self.fact_of = {fact.fine: fact for fact in self.facts}
        self.with_person = {event["source_id"] for event in self.events if _is_with_person(event)}
        self.check_what_went_elsewhere()
        self.check_each_entry_has_its_event()
        self.check_events_have_ended()
        self.check_nothing_came_twice()
        self.check_done_events()
        self.check_sums()
        self.check_balances()
        return self.found

    def check_what_went_elsewhere(self) -> None:
        """Checks that what a credit in Koha took off other fines of its user is with the same person as its event."""
        event_of = {self.key_of[event["id"]]: event for event in self.events}
        for fact in self.facts:
            for event in [event_of[key] for key in fact.own if key in event_of]:
                if event["source_id"] != fact.fine:
                    self._require(_is_with_person(event), "an event went to another fine", f"{event} {fact}")
                    self.with_person.add(fact.fine)

    def check_each_entry_has_its_event(self) -> None:
        missing = self._rows(_ENTRIES_WITHOUT_EVENT)
        self._require(not missing, "an entry has no event", str(missing))

    def check_events_have_ended(self) -> None:
        waiting: set[str] = set()
        for event in self.events:
            fine, key = event["source_id"], self.key_of[event["id"]]
            what = f"{event['id']} of fine {fine}: {event['kind']} {event['amount']}, {event['answer']}"
            is_held = event["state"] == "pending" and fine in waiting
            self._require(event["state"] != "pending" or is_held, "an event is still to be written", what)
            if event["state"] == "unknown" and fine not in waiting:
                self._require(key in self.keys, "an event without any trace is not written again", what)
            if event["state"] in WITH_A_PERSON:
                waiting.add(fine)
                self._require(bool(event["answer"]), "an event for a person does not say why", what)

    def check_nothing_came_twice(self) -> None:
        known = set(self.key_of.values())
        for key, number in self.keys.items():
            self._require(number == 1, "an event came more than once", f"{key}: {number} times")
            self._require(key in known, "what came belongs to no event", key)

    def check_done_events(self) -> None:
        for event in self.events:
            if event["decision"] == "done" or event["state"] not in ("done", "refused"):
                continue
            fact, key = self.fact_of[event["source_id"]], self.key_of[event["id"]]
            changes = [Decimal(change) for change in fact.own.get(key, ())]
            what = f"{event['id']} of fine {fact.fine}: {event['kind']} {event['amount']} {event['answer']}; {fact}"
            is_doubtful = "perhaps at that moment" in event["answer"]
            # Of two falls at one moment nobody knows which is the desk's. None is taken for more than it may be.
            may_be_less = "may have gone to other fines" in event["answer"]
            self._require(
                is_doubtful
                or event["balance_change"] == sum(changes)
                or (may_be_less and sum(changes) <= event["balance_change"] <= 0),
                "the change of an event is wrong",
                f"{event['balance_change']} {what}",
            )
            self._require(
                all(abs(change) <= event["amount"] for change in changes), "more came than the event has", what
            )
            if event["state"] == "done":
                elsewhere = Decimal(fact.elsewhere.get(key, 0))
                self._require(not elsewhere, "a done event took something off elsewhere", f"{elsewhere} {what}")
                is_accounted_for = (
                    bool(changes) or "othing to write" in event["answer"] or event["answer"].startswith("Koha closes")
                )
                is_accounted_for = is_accounted_for or "owes nothing" in event["answer"]
                self._require(is_accounted_for, "a done event did not come", what)
            else:
                is_settled = not changes or fact.elsewhere.get(key)
                self._require(bool(is_settled) or is_doubtful, "a refused event was carried out as it should", what)

    def check_sums(self) -> None:
        for fact in self.facts:
            own = -sum(Decimal(change) for changes in fact.own.values() for change in changes)
            total = own + Decimal(fact.by_desk)
            is_right = own <= abs(Decimal(fact.amount)) and (
                total <= abs(Decimal(fact.amount)) or fact.fine in self.with_person or fact.is_returned
            )
            self._require(is_right, "more was settled than a fine owed", f"{own} {fact}")

    def check_balances(self) -> None:
        fines = {row["source_id"]: row for row in self._rows(_FINES)}
        for fact in self.facts:
            row = fines.get(fact.fine)
            # A credit for a returned item may be more than its charge still allows. Its row is rejected, and reported.
            # The first reading has the open fines only.
            is_needless = Decimal(fact.amount) < 0 or (Decimal(fact.owed) == 0 and not fact.own)
            self._require(row is not None or is_needless, "a fine was never read", str(fact))
            if row is None or fact.fine in self.with_person:
                continue
            what = f"{row} {fact}"
            self._require(not row["is_deferred"], "a row is deferred for ever", what)
            self._require(row["source_balance"] == Decimal(fact.owed), "the ledger and the system disagree", what)
            if fact.is_returned:
                continue
            by_loads, by_desk = row["settled_by_loads"], Decimal(fact.by_desk)
            self._require(by_loads <= by_desk, "loads settled what the library did not", f"{by_loads} {what}")
            if not row["is_paid_at_bursar"] and not row["is_settled_here"]:
                self._require(by_loads == by_desk, "loads did not settle what the library did", f"{by_loads} {what}")

    def _require(self, condition: bool, kind: str, details: str) -> None:
        self.count += 1
        if not condition:
            self.found.append(Violation(kind, details))

    def _rows(self, query: Any) -> list[dict[str, Any]]:
        cursor = self.connection.execute(query)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]
