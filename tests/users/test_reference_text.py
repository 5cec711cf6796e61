"""The reference text, sentence by sentence: what an exported fine means for its user.

Each row is asked four times: with allow_activity_on_transferred_finesfees false and true, with the profile's import
section active and not. The text is that of the vendor's help page on bursar systems.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import pytest
from sqlalchemy import text

from bursar.errors import LedgerError
from bursar.ledger import desk
from bursar.users.deletion import delete_user
from bursar.users.purging import PurgeParams, purge_users
from bursar.users.waiving import WaiveParams, waive_fines
from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fixtures import Library, make_settings


@dataclass
class Story:
    """One user, due for a purge long ago, and what becomes of a fine of 10.00 USD."""

    library: Library
    allow: bool
    import_active: bool

    def __post_init__(self) -> None:
        self.office = FakeBursar(self.library)
        self.user = self.library.user(purge=date(2020, 1, 1), expiry=date(2020, 1, 1))
        self.fine = self.library.fine(self.user, "10.00")

    def export(self) -> None:
        self.office.export(import_active=self.import_active)

    def bursar_reports(self, sum_: str) -> str:
        return self.office.pay(Payment(self.office.get_transaction(self.fine), sum_))[0].outcome

    def bursar_reports_by_internal_id(self, sum_: str) -> str:
        return self.office.pay(Payment(None, sum_, internal_id=str(self.fine)))[0].outcome

    def delete(self) -> str:
        try:
            delete_user(self.library.ledger, self.user)
        except LedgerError as refused:
            return "refused: " + ("outstanding" if "outstanding at the bursar" in str(refused) else "owed here")
        return "deleted"

    def purge(self, threshold: str = "1000") -> str:
        form = {"dry_run": False, "waive_threshold": threshold}
        job = purge_users(
            self.library.ledger, PurgeParams.of_form(form), self._settings(), run_id=self._run(), as_of=_now()
        )
        return "purged" if job.users else ", ".join(sorted(job.skipped)) or "no users"

    def waive(self, threshold: str = "1000") -> str:
        form = {"dry_run": False, "threshold": threshold, "reason": "Amnesty"}
        job = waive_fines(
            self.library.ledger, WaiveParams.of_form(form), self._settings(), run_id=self._run(), as_of=_now()
        )
        return f"{job.fines} waived" + "".join(f", {reason}" for reason in sorted(job.skipped))

    def pay_at_the_desk(self) -> str:
        try:
            with self.library.ledger.begin() as connection:
                desk.pay(connection, self.fine, allow_activity_on_transferred_finesfees=self.allow)
        except LedgerError:
            return "refused"
        return "paid"

    def item_returns(self) -> None:
        with self.library.ledger.begin() as connection:
            desk.reverse_charge(connection, self.fine, comment="found and returned")

    def owed(self) -> str:
        """What the user owes at the library and at the bursar in all."""
        balance, outstanding = (
            self.library.one(f"SELECT coalesce(sum({name}), 0) FROM fines") for name in ("balance", "outstanding")
        )
        return f"balance {balance:.2f}, outstanding {outstanding:.2f}"

    def billed(self) -> str:
        """Returns the sum that the bursar was asked to collect, and the transaction that was reversed, if one was."""
        with self.library.ledger.connect() as connection:
            lines = connection.execute(
                text("SELECT amount, reversed_transaction_id FROM batch_lines ORDER BY batch_id")
            ).all()
        reversed_ = "".join(f", transaction {line[1]} reversed" for line in lines if line[1])
        return f"{sum(line[0] for line in lines):.2f}{reversed_}"

    def money(self, fine: int | None = None) -> str:
        status, balance, outstanding = self.library.position(fine or self.fine)
        return f"{status}, balance {balance:.2f}, outstanding {outstanding:.2f}"

    def _settings(self) -> Any:
        return make_settings(allow_activity_on_transferred_finesfees=self.allow)

    def _run(self) -> str:
        return str(self.library.one("SELECT count(*) FROM maintenance_jobs"))


def _now() -> datetime:
    return datetime.now(UTC)


class Case(NamedTuple):
    """A sentence, what is tried, and what comes of it: with import active, false and true; without, false and true."""

    sentence: str
    tried: Callable[[Story], object]
    active: tuple[object, object]
    not_active: tuple[object, object]


def then(*steps: Callable[[Story], object]) -> Callable[[Story], object]:
    """Steps one after the other; what the last one comes to counts."""

    def tried(story: Story) -> object:
        return [step(story) for step in steps][-1]

    return tried


def same(value: object) -> tuple[object, object]:
    """Whatever the parameter says."""
    return value, value


CASES = [
    Case(
        "The status for exported fines and fees is set to Closed.",
        then(Story.export, Story.money),
        same("CLOSED, balance 0.00, outstanding 10.00"),
        same("CLOSED, balance 0.00, outstanding 0.00"),
    ),
    Case(
        "If Alma or a librarian adds a fine to a patron (for example, $10 for a lost item), the fine appears as a "
        "positive value",
        Story.owed,
        same("balance 10.00, outstanding 0.00"),
        same("balance 10.00, outstanding 0.00"),
    ),
    Case(
        "When the integration profile runs, the balance due for the patron is reduced to 0, since Alma passes the "
        "responsibility for handling and collecting the fine to the bursar system.",
        then(Story.export, Story.owed),
        same("balance 0.00, outstanding 10.00"),
        same("balance 0.00, outstanding 0.00"),
    ),
    Case(
        "If the patron subsequently has a negative fine (for example, -$10 after the patron finds and returns a lost "
        "item), a negative value appears in Alma.",
        then(Story.export, Story.item_returns, Story.owed),
        same("balance -10.00, outstanding 10.00"),
        same("balance -10.00, outstanding 0.00"),
    ),
    Case(
        "Once again, this value is reduced to 0 once the integration profile runs.",
        then(Story.export, Story.item_returns, Story.export, Story.owed),
        same("balance 0.00, outstanding 0.00"),
        same("balance 0.00, outstanding 0.00"),
    ),
    Case(
        "Once again, this value is reduced to 0: and the bursar learns which charge it reverses",
        then(Story.export, Story.item_returns, Story.export, Story.billed),
        same("0.00, transaction 1 reversed"),
        same("0.00, transaction 1 reversed"),
    ),
    Case(
        "Once again, this value is reduced to 0: so that the user can be deleted",
        then(Story.export, Story.item_returns, Story.export, Story.delete),
        same("deleted"),
        same("deleted"),
    ),
    Case(
        "Alma generates unique IDs for every exported transaction in order to match it up when the transaction is "
        "later re-imported",
        then(
            Story.export,
            Story.item_returns,
            Story.export,
            lambda story: story.library.one(
                "SELECT string_agg(transaction_id, ', ' ORDER BY batch_id) FROM batch_lines"
            ),
        ),
        same("1, 2"),
        same("1, 2"),
    ),
    Case(
        "This ID can also be used at import time for matching transactions.",
        then(Story.export, lambda story: story.bursar_reports_by_internal_id("10.00")),
        same("PAID"),
        same("ALREADY_SETTLED"),
    ),
    Case(
        "In that case the status for exported fines and fees is set to Transferred",
        then(Story.export, lambda story: story.bursar_reports("10.00"), Story.money),
        same("TRANSFERRED, balance 0.00, outstanding 0.00"),
        same("CLOSED, balance 0.00, outstanding 0.00"),
    ),
    Case(
        "Once a fine/fee has been exported, it is considered active if the Import section has been activated",
        then(Story.export, lambda story: story.library.one("SELECT count(*) FROM active_fines")),
        same(1),
        same(0),
    ),
    Case(
        "Therefore, the user cannot be deleted",
        then(Story.export, Story.delete),
        same("refused: outstanding"),
        same("deleted"),
    ),
    Case(
        "until the payment is received from the bursar.",
        then(Story.export, lambda story: story.bursar_reports("10.00"), Story.delete),
        same("deleted"),
        same("deleted"),
    ),
    Case(
        "until the payment is received from the bursar: all of it",
        then(Story.export, lambda story: story.bursar_reports("9.99"), Story.delete),
        same("refused: outstanding"),
        same("deleted"),
    ),
    Case(
        "This applies to manual deletions,",
        Story.delete,
        same("refused: owed here"),
        same("refused: owed here"),
    ),
    Case(
        "the Purge User Records job,",
        then(Story.export, lambda story: story.purge("0")),
        ("outstanding", "above_threshold"),
        same("purged"),
    ),
    Case(
        "and the Bulk Fine Waiving job.",
        then(Story.export, Story.waive),
        ("0 waived, outstanding", "1 waived"),
        same("0 waived"),
    ),
    Case(
        "It will not be possible to purge a user that has exported fines/fees.",
        then(Story.export, Story.purge),
        ("outstanding", "outstanding_waived"),
        same("purged"),
    ),
    Case(
        "It will not be possible to purge a user that has exported fines/fees: nor while the bursar has to hear of it",
        then(Story.export, Story.purge, Story.purge),
        ("outstanding", "reversal_waits"),
        same("no users"),
    ),
    Case(
        "If the allow_activity_on_transferred_finesfees parameter is set to false and "
        "the user has exported fines/fees, "
        "the fees will also not be waived.",
        then(Story.export, Story.purge, Story.money),
        ("CLOSED, balance 0.00, outstanding 10.00", "CLOSED, balance 0.00, outstanding 0.00"),
        same("CLOSED, balance 0.00, outstanding 0.00"),
    ),
    Case(
        "the fees will also not be waived: nor by Bulk Fine Waiving",
        then(Story.export, Story.waive, Story.money),
        ("CLOSED, balance 0.00, outstanding 10.00", "CLOSED, balance 0.00, outstanding 0.00"),
        same("CLOSED, balance 0.00, outstanding 0.00"),
    ),
    Case(
        "Additionally, both jobs include the exported fines/fees when calculating the waive threshold: waiving",
        then(Story.export, lambda story: story.library.fine(story.user, "5.00"), lambda story: story.waive("14.99")),
        ("0 waived, above_threshold, outstanding", "0 waived, above_threshold"),
        same("1 waived"),
    ),
    Case(
        "both jobs include the exported fines/fees when calculating the waive threshold: waiving, at it",
        then(Story.export, lambda story: story.library.fine(story.user, "5.00"), lambda story: story.waive("15")),
        ("1 waived, outstanding", "2 waived"),
        same("1 waived"),
    ),
    Case(
        "both jobs include the exported fines/fees when calculating the waive threshold: purging",
        then(Story.export, lambda story: story.library.fine(story.user, "5.00"), lambda story: story.purge("14.99")),
        ("outstanding", "above_threshold"),
        same("purged"),
    ),
    Case(
        "both jobs include the exported fines/fees when calculating the waive threshold: purging, at it",
        then(Story.export, lambda story: story.library.fine(story.user, "5.00"), lambda story: story.purge("15")),
        ("outstanding", "outstanding_waived"),
        same("purged"),
    ),
    Case(
        "The fees will be closed when the Import process receives an input about the fines having been paid at "
        "the bursar",
        then(Story.export, lambda story: story.bursar_reports("10.00"), Story.purge),
        same("purged"),
        same("purged"),
    ),
    Case(
        "or if the allow_activity_on_transferred_finesfees parameter is set to true and the fines have been paid at "
        "the circulation desk.",
        then(Story.export, Story.pay_at_the_desk),
        ("refused", "paid"),
        same("refused"),
    ),
    Case(
        "and the fines have been paid at the circulation desk: they are closed",
        then(Story.export, Story.pay_at_the_desk, Story.money),
        ("CLOSED, balance 0.00, outstanding 10.00", "CLOSED, balance 0.00, outstanding 0.00"),
        same("CLOSED, balance 0.00, outstanding 0.00"),
    ),
    Case(
        "and the fines have been paid at the circulation desk: the rest, after a part was paid at the bursar",
        then(Story.export, lambda story: story.bursar_reports("4.00"), Story.pay_at_the_desk, Story.money),
        ("TRANSFERRED, balance 0.00, outstanding 6.00", "CLOSED, balance 0.00, outstanding 0.00"),
        same("CLOSED, balance 0.00, outstanding 0.00"),
    ),
    Case(
        "and the fines have been paid at the circulation desk: nobody pays twice, since the bursar is notified",
        then(Story.export, Story.pay_at_the_desk, Story.export, Story.billed),
        ("10.00", "0.00, transaction 1 reversed"),
        same("10.00"),
    ),
    Case(
        "and the fines have been paid at the circulation desk: and then the user can be deleted",
        then(Story.export, Story.pay_at_the_desk, Story.export, Story.delete),
        ("refused: outstanding", "deleted"),
        same("deleted"),
    ),
    Case(
        "and the fines have been paid at the circulation desk: a payment at the bursar that comes too late",
        then(Story.export, Story.pay_at_the_desk, lambda story: story.bursar_reports("10.00")),
        ("PAID", "ALREADY_SETTLED"),
        same("ALREADY_SETTLED"),
    ),
    Case(
        "If the Import section has not been activated then exported fines/fees will be considered closed and handled "
        "just as paid fines/fees are.",
        then(Story.export, lambda story: story.bursar_reports("10.00")),
        same("PAID"),
        same("ALREADY_SETTLED"),
    ),
    Case(
        "Alma exports fines and fees for expired users as well.",
        then(Story.export, lambda story: story.library.one("SELECT sum(fines) FROM batches")),
        same(1),
        same(1),
    ),
]


@pytest.mark.parametrize("import_active", [True, False], ids=["import active", "import not active"])
@pytest.mark.parametrize("allow", [False, True], ids=["not allowed", "allowed"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sentence[:60])
def test_the_reference_text(library: Library, case: Case, allow: bool, import_active: bool) -> None:
    expected = case.active if import_active else case.not_active
    assert case.tried(Story(library, allow, import_active)) == expected[allow], case.sentence
