"""The reference text, sentence by sentence: the consequences of an exported fine for its user.

Each case is tested four times: with allow_activity_on_transferred_finesfees false and true, with the profile's
import section active and inactive. The text is that of the vendor's help page on bursar systems.

The module is long because it quotes the whole text.
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
    """A user who is due for a purge and has a fine of 10.00 USD; the methods are the steps of a case."""

    library: Library
    allow: bool
    import_active: bool

    def __post_init__(self) -> None:
        self.office = FakeBursar(self.library)
        self.user = self.library.user(purge=date(2020, 1, 1), expiry=date(2020, 1, 1))
        self.fine = self.library.fine(self.user, "10.00")

    def export(self) -> None:
        self.office.export(import_active=self.import_active)

    def report_payment(self, sum_: str) -> str:
        return self.office.pay(Payment(self.office.get_transaction(self.fine), sum_))[0].outcome

    def report_payment_by_internal_id(self, sum_: str) -> str:
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

    def return_item(self) -> None:
        with self.library.ledger.begin() as connection:
            desk.reverse_charge(connection, self.fine, comment="found and returned")

    def describe_debt(self) -> str:
        """Returns the amounts that the user owes at the library and at the bursar."""
        balance, outstanding = (
            self.library.one(f"SELECT coalesce(sum({name}), 0) FROM fines") for name in ("balance", "outstanding")
        )
        return f"balance {balance:.2f}, outstanding {outstanding:.2f}"

    def describe_bill(self) -> str:
        """Returns the sum of all exported lines, and the reversed transaction, if any."""
        with self.library.ledger.connect() as connection:
            lines = connection.execute(
                text("SELECT amount, reversed_transaction_id FROM batch_lines ORDER BY batch_id")
            ).all()
        reversed_ = "".join(f", transaction {line[1]} reversed" for line in lines if line[1])
        return f"{sum(line[0] for line in lines):.2f}{reversed_}"

    def describe_fine(self, fine: int | None = None) -> str:
        status, balance, outstanding = self.library.position(fine or self.fine)
        return f"{status}, balance {balance:.2f}, outstanding {outstanding:.2f}"

    def _settings(self) -> Any:
        return make_settings(allow_activity_on_transferred_finesfees=self.allow)

    def _run(self) -> str:
        return str(self.library.one("SELECT count(*) FROM maintenance_jobs"))


def _now() -> datetime:
    return datetime.now(UTC)


class Case(NamedTuple):
    """A sentence, its steps, and the results (parameter false, true) with the import section active and inactive."""

    sentence: str
    steps: Callable[[Story], object]
    active: tuple[object, object]
    not_active: tuple[object, object]


def do_steps(*steps: Callable[[Story], object]) -> Callable[[Story], object]:
    """Returns a function that does steps one after the other, and returns the result of the last one."""

    def run(story: Story) -> object:
        return [step(story) for step in steps][-1]

    return run


def in_both_cases(value: object) -> tuple[object, object]:
    """Returns the same result for both values of the parameter."""
    return value, value


CASES = [
    Case(
        "The status for exported fines and fees is set to Closed.",
        do_steps(Story.export, Story.describe_fine),
        in_both_cases("CLOSED, balance 0.00, outstanding 10.00"),
        in_both_cases("CLOSED, balance 0.00, outstanding 0.00"),
    ),
    Case(
        "If Alma or a librarian adds a fine to a patron (for example, $10 for a lost item), the fine appears as a "
        "positive value",
        Story.describe_debt,
        in_both_cases("balance 10.00, outstanding 0.00"),
        in_both_cases("balance 10.00, outstanding 0.00"),
    ),
    Case(
        "When the integration profile runs, the balance due for the patron is reduced to 0, since Alma passes the "
        "responsibility for handling and collecting the fine to the bursar system.",
        do_steps(Story.export, Story.describe_debt),
        in_both_cases("balance 0.00, outstanding 10.00"),
        in_both_cases("balance 0.00, outstanding 0.00"),
    ),
    Case(
        "If the patron subsequently has a negative fine (for example, -$10 after the patron finds and returns a lost "
        "item), a negative value appears in Alma.",
        do_steps(Story.export, Story.return_item, Story.describe_debt),
        in_both_cases("balance -10.00, outstanding 10.00"),
        in_both_cases("balance -10.00, outstanding 0.00"),
    ),
    Case(
        "Once again, this value is reduced to 0 once the integration profile runs.",
        do_steps(Story.export, Story.return_item, Story.export, Story.describe_debt),
        in_both_cases("balance 0.00, outstanding 0.00"),
        in_both_cases("balance 0.00, outstanding 0.00"),
    ),
    Case(
        "Once again, this value is reduced to 0: and the bursar learns which charge it reverses",
        do_steps(Story.export, Story.return_item, Story.export, Story.describe_bill),
        in_both_cases("0.00, transaction 1 reversed"),
        in_both_cases("0.00, transaction 1 reversed"),
    ),
    Case(
        "Once again, this value is reduced to 0: so that the user can be deleted",
        do_steps(Story.export, Story.return_item, Story.export, Story.delete),
        in_both_cases("deleted"),
        in_both_cases("deleted"),
    ),
    Case(
        "Alma generates unique IDs for every exported transaction in order to match it up when the transaction is "
        "later re-imported",
        do_steps(
            Story.export,
            Story.return_item,
            Story.export,
            lambda story: story.library.one(
                "SELECT string_agg(transaction_id, ', ' ORDER BY batch_id) FROM batch_lines"
            ),
        ),
        in_both_cases("1, 2"),
        in_both_cases("1, 2"),
    ),
    Case(
        "This ID can also be used at import time for matching transactions.",
        do_steps(Story.export, lambda story: story.report_payment_by_internal_id("10.00")),
        in_both_cases("PAID"),
        in_both_cases("ALREADY_SETTLED"),
    ),
    Case(
        "In that case the status for exported fines and fees is set to Transferred",
        do_steps(Story.export, lambda story: story.report_payment("10.00"), Story.describe_fine),
        in_both_cases("TRANSFERRED, balance 0.00, outstanding 0.00"),
        in_both_cases("CLOSED, balance 0.00, outstanding 0.00"),
    ),
    Case(
        "Once a fine/fee has been exported, it is considered active if the Import section has been activated",
        do_steps(Story.export, lambda story: story.library.one("SELECT count(*) FROM active_fines")),
        in_both_cases(1),
        in_both_cases(0),
    ),
    Case(
        "Therefore, the user cannot be deleted",
        do_steps(Story.export, Story.delete),
        in_both_cases("refused: outstanding"),
        in_both_cases("deleted"),
    ),
    Case(
        "until the payment is received from the bursar.",
        do_steps(Story.export, lambda story: story.report_payment("10.00"), Story.delete),
        in_both_cases("deleted"),
        in_both_cases("deleted"),
    ),
    Case(
        "until the payment is received from the bursar: all of it",
        do_steps(Story.export, lambda story: story.report_payment("9.99"), Story.delete),
        in_both_cases("refused: outstanding"),
        in_both_cases("deleted"),
    ),
    Case(
        "This applies to manual deletions,",
        Story.delete,
        in_both_cases("refused: owed here"),
        in_both_cases("refused: owed here"),
    ),
    Case(
        "the Purge User Records job,",
        do_steps(Story.export, lambda story: story.purge("0")),
        ("outstanding", "above_threshold"),
        in_both_cases("purged"),
    ),
    Case(
        "and the Bulk Fine Waiving job.",
        do_steps(Story.export, Story.waive),
        ("0 waived, outstanding", "1 waived"),
        in_both_cases("0 waived"),
    ),
    Case(
        "It will not be possible to purge a user that has exported fines/fees.",
        do_steps(Story.export, Story.purge),
        ("outstanding", "outstanding_waived"),
        in_both_cases("purged"),
    ),
    Case(
        "It will not be possible to purge a user that has exported fines/fees: nor while the bursar has to be notified",
        do_steps(Story.export, Story.purge, Story.purge),
        ("outstanding", "reversal_waits"),
        in_both_cases("no users"),
    ),
    Case(
        "If the allow_activity_on_transferred_finesfees parameter is set to false and "
        "the user has exported fines/fees, "
        "the fees will also not be waived.",
        do_steps(Story.export, Story.purge, Story.describe_fine),
        ("CLOSED, balance 0.00, outstanding 10.00", "CLOSED, balance 0.00, outstanding 0.00"),
        in_both_cases("CLOSED, balance 0.00, outstanding 0.00"),
    ),
    Case(
        "the fees will also not be waived: nor by Bulk Fine Waiving",
        do_steps(Story.export, Story.waive, Story.describe_fine),
        ("CLOSED, balance 0.00, outstanding 10.00", "CLOSED, balance 0.00, outstanding 0.00"),
        in_both_cases("CLOSED, balance 0.00, outstanding 0.00"),
    ),
    Case(
        "Additionally, both jobs include the exported fines/fees when calculating the waive threshold: waiving",
        do_steps(
            Story.export, lambda story: story.library.fine(story.user, "5.00"), lambda story: story.waive("14.99")
        ),
        ("0 waived, above_threshold, outstanding", "0 waived, above_threshold"),
        in_both_cases("1 waived"),
    ),
    Case(
        "both jobs include the exported fines/fees when calculating the waive threshold: waiving, at it",
        do_steps(Story.export, lambda story: story.library.fine(story.user, "5.00"), lambda story: story.waive("15")),
        ("1 waived, outstanding", "2 waived"),
        in_both_cases("1 waived"),
    ),
    Case(
        "both jobs include the exported fines/fees when calculating the waive threshold: purging",
        do_steps(
            Story.export, lambda story: story.library.fine(story.user, "5.00"), lambda story: story.purge("14.99")
        ),
        ("outstanding", "above_threshold"),
        in_both_cases("purged"),
    ),
    Case(
        "both jobs include the exported fines/fees when calculating the waive threshold: purging, at it",
        do_steps(Story.export, lambda story: story.library.fine(story.user, "5.00"), lambda story: story.purge("15")),
        ("outstanding", "outstanding_waived"),
        in_both_cases("purged"),
    ),
    Case(
        "The fees will be closed when the Import process receives an input about the fines having been paid at "
        "the bursar",
        do_steps(Story.export, lambda story: story.report_payment("10.00"), Story.purge),
        in_both_cases("purged"),
        in_both_cases("purged"),
    ),
    Case(
        "or if the allow_activity_on_transferred_finesfees parameter is set to true and the fines have been paid at "
        "the circulation desk.",
        do_steps(Story.export, Story.pay_at_the_desk),
        ("refused", "paid"),
        in_both_cases("refused"),
    ),
    Case(
        "and the fines have been paid at the circulation desk: they are closed",
        do_steps(Story.export, Story.pay_at_the_desk, Story.describe_fine),
        ("CLOSED, balance 0.00, outstanding 10.00", "CLOSED, balance 0.00, outstanding 0.00"),
        in_both_cases("CLOSED, balance 0.00, outstanding 0.00"),
    ),
    Case(
        "and the fines have been paid at the circulation desk: the rest, after a part was paid at the bursar",
        do_steps(Story.export, lambda story: story.report_payment("4.00"), Story.pay_at_the_desk, Story.describe_fine),
        ("TRANSFERRED, balance 0.00, outstanding 6.00", "CLOSED, balance 0.00, outstanding 0.00"),
        in_both_cases("CLOSED, balance 0.00, outstanding 0.00"),
    ),
    Case(
        "and the fines have been paid at the circulation desk: nobody pays twice, since the bursar is notified",
        do_steps(Story.export, Story.pay_at_the_desk, Story.export, Story.describe_bill),
        ("10.00", "0.00, transaction 1 reversed"),
        in_both_cases("10.00"),
    ),
    Case(
        "and the fines have been paid at the circulation desk: and then the user can be deleted",
        do_steps(Story.export, Story.pay_at_the_desk, Story.export, Story.delete),
        ("refused: outstanding", "deleted"),
        in_both_cases("deleted"),
    ),
    Case(
        "and the fines have been paid at the circulation desk: a payment at the bursar that comes too late",
        do_steps(Story.export, Story.pay_at_the_desk, lambda story: story.report_payment("10.00")),
        ("PAID", "ALREADY_SETTLED"),
        in_both_cases("ALREADY_SETTLED"),
    ),
    Case(
        "If the Import section has not been activated then exported fines/fees will be considered closed and handled "
        "just as paid fines/fees are.",
        do_steps(Story.export, lambda story: story.report_payment("10.00")),
        in_both_cases("PAID"),
        in_both_cases("ALREADY_SETTLED"),
    ),
    Case(
        "Alma exports fines and fees for expired users as well.",
        do_steps(Story.export, lambda story: story.library.one("SELECT sum(fines) FROM batches")),
        in_both_cases(1),
        in_both_cases(1),
    ),
]


@pytest.mark.parametrize("import_active", [True, False], ids=["import active", "import not active"])
@pytest.mark.parametrize("allow", [False, True], ids=["not allowed", "allowed"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sentence[:60])
def test_each_sentence_of_the_reference_text_holds(
    library: Library, case: Case, allow: bool, import_active: bool
) -> None:
    expected = case.active if import_active else case.not_active
    assert case.steps(Story(library, allow, import_active)) == expected[allow], case.sentence
