"""The checks of a campaign against library systems can fail: each finds what was falsified for it."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from demo.postgres import Postgres
from tests.campaign.systems.checks import Checks
from tests.campaign.systems.desk import SystemFact
from tests.support.fixtures import end_sessions
from tests.support.memory_town import Town

CHARGED = SystemFact(
    fine="1", user="7", amount="10.00", owed="0.00", own={}, elsewhere={}, by_desk="4.00", is_returned=False
)


@pytest.fixture
def checks(town: Town, postgres: Postgres, empty_ledger: str) -> Iterator[Checks]:
    """The checks of a round without violations: the desk has taken a part of a fine, and the rest was handed over."""
    town.system.charge("1", "10.00")
    town.read()
    town.system.change("1", balance=6)
    town.read()
    town.bursar.export()
    town.sync()
    [(id_,)] = town.rows("SELECT id FROM outbox_events")
    [(key, _, _)] = town.system.written
    fact = replace(CHARGED, own={str(key): ["-6.00"]})
    end_sessions(postgres, "datname = %s", empty_ledger)
    with closing(postgres.connect(empty_ledger)) as connection:
        yield Checks(connection, [fact], {str(key): 1}, {id_: str(key)})


def falsify(checks: Checks, statement: str) -> None:
    """Changes the ledger without its triggers."""
    checks.connection.execute("SET session_replication_role = replica")
    checks.connection.execute(statement)
    checks.connection.execute("RESET session_replication_role")


def change_fact(checks: Checks, **changes: object) -> None:
    checks.facts = [replace(checks.facts[0], **changes)]  # type: ignore[arg-type]


def key_of(checks: Checks) -> str:
    return next(iter(checks.keys))


def event_is_missing(checks: Checks) -> None:
    falsify(checks, "DELETE FROM outbox_events")


def event_is_pending(checks: Checks) -> None:
    falsify(checks, "UPDATE outbox_events SET state = 'pending'")


def unknown_event_has_no_trace(checks: Checks) -> None:
    falsify(checks, "UPDATE outbox_events SET state = 'unknown'")
    checks.keys = {}


def refusal_says_nothing(checks: Checks) -> None:
    falsify(checks, "UPDATE outbox_events SET state = 'refused', answer = ''")


def event_came_twice(checks: Checks) -> None:
    checks.keys[key_of(checks)] = 2


def something_else_came(checks: Checks) -> None:
    checks.keys["another"] = 1


def change_is_wrong(checks: Checks) -> None:
    falsify(checks, "UPDATE outbox_events SET balance_change = -5")


def too_much_came(checks: Checks) -> None:
    falsify(checks, "UPDATE outbox_events SET amount = 5")


def other_fine_paid(checks: Checks) -> None:
    change_fact(checks, elsewhere={key_of(checks): "1.00"})


def nothing_came(checks: Checks) -> None:
    change_fact(checks, own={})


def refused_event_was_carried_out(checks: Checks) -> None:
    falsify(checks, "UPDATE outbox_events SET state = 'refused'")


def desk_took_more(checks: Checks) -> None:
    change_fact(checks, by_desk="5.00", owed="0.00")


def fine_is_unread(checks: Checks) -> None:
    checks.facts = [*checks.facts, replace(checks.facts[0], fine="2", own={}, owed="6.00")]


def row_is_deferred(checks: Checks) -> None:
    falsify(
        checks,
        "INSERT INTO deferred_fines VALUES ('TOWN', '1', 1, 'fines', 1, '{}')",
    )


def balance_differs(checks: Checks) -> None:
    falsify(checks, "UPDATE fines SET source_balance = 1")


def load_settled_too_much(checks: Checks) -> None:
    change_fact(checks, by_desk="3.00")


def load_settled_too_little(checks: Checks) -> None:
    falsify(checks, "UPDATE journal_entries SET balance_change = -3 WHERE entry_type = 'PAID'")


VIOLATIONS = [
    (event_is_missing, "an entry has no event"),
    (event_is_pending, "an event is still to be written"),
    (unknown_event_has_no_trace, "an event without any trace is not written again"),
    (refusal_says_nothing, "an event for a person does not say why"),
    (event_came_twice, "an event came more than once"),
    (something_else_came, "what came belongs to no event"),
    (change_is_wrong, "the change of an event is wrong"),
    (too_much_came, "more came than the event has"),
    (other_fine_paid, "a done event took something off elsewhere"),
    (nothing_came, "a done event did not come"),
    (refused_event_was_carried_out, "a refused event was carried out as it should"),
    (desk_took_more, "more was settled than a fine owed"),
    (fine_is_unread, "a fine was never read"),
    (row_is_deferred, "a row is deferred for ever"),
    (balance_differs, "the ledger and the system disagree"),
    (load_settled_too_much, "loads settled what the library did not"),
    (load_settled_too_little, "loads did not settle what the library did"),
]


def test_each_violation_is_found_and_a_good_round_has_none(checks: Checks) -> None:
    """Each change is made in a copy of the good round."""
    missed = []
    for change, kind in VIOLATIONS:
        copy = Checks(checks.connection, checks.facts, dict(checks.keys), checks.key_of)
        with checks.connection.transaction(force_rollback=True):
            change(copy)
            if kind not in {violation.kind for violation in copy.run()}:
                missed.append(change.__name__)
    assert missed == []
    assert checks.run() == []
    assert checks.count > 10
