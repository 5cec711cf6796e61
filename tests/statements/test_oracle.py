"""Random ledgers and statements: each outcome is the one that a plain program finds in the journal."""

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tests.support.fake_bursar import FakeBursar, Payment
from tests.support.fixtures import clear_ledger
from tests.support.statement_inbox import StatementInbox

amounts = st.integers(1, 20).map(Decimal)


@dataclass
class OracleFine:
    """A fine: what it had at each moment since the window began, oldest first, and what the bursar says of it."""

    amount: Decimal
    currency: str
    is_old: bool
    payments: list[tuple[Decimal, bool]]
    said: list[Decimal]
    id_: str = ""
    history: list[Decimal] = field(default_factory=list)

    @property
    def outcome(self) -> str | None:
        """The outcome by the rules of the guide; None if the report does not have the fine."""
        ours, theirs = self.history[-1], sum(self.said, Decimal(0))
        if not ours and not self.said:
            return None
        if ours == theirs:
            return "AGREES"
        if theirs in self.history:
            return "PENDING"
        if 0 <= theirs < ours:
            return "PENDING"  # the first statement that has less
        return "DIFFERS" if self.said else "UNKNOWN_THERE"


fines = st.builds(
    OracleFine,
    amount=amounts,
    currency=st.sampled_from(["USD", "EUR"]),
    is_old=st.booleans(),
    payments=st.lists(st.tuples(amounts, st.booleans()), max_size=3),
    said=st.lists(st.integers(-2, 21).map(Decimal), max_size=2),
)


@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(all_fines=st.lists(fines, min_size=1, max_size=8), unknown=st.integers(0, 3))
def test_each_outcome_follows_from_the_journal(
    statements: StatementInbox, office: FakeBursar, all_fines: list[OracleFine], unknown: int
) -> None:
    library = statements.library
    clear_ledger(statements.owner)
    library.__post_init__()
    _fill(statements, office, all_fines)
    lines = [f"{one.id_},{said:.2f},{one.currency}" for one in all_fines for said in one.said]
    lines += [f"X{number},5.00,USD" for number in range(unknown)]
    statements.put(*lines)
    with statements.run() as run:
        statement = run.compare_file("open.csv")
    expected = Counter(one.outcome for one in all_fines if one.outcome)
    expected["UNKNOWN_HERE"] += unknown
    found = statements.find(statement)
    assert Counter(one.outcome for one in found) == +expected
    by_id = {one.subject: one for one in found}
    for fine in all_fines:
        if fine.outcome:
            assert by_id[fine.id_][2:] == (fine.history[-1], sum(fine.said, Decimal(0)))
        else:
            assert fine.id_ not in by_id
    assert statement.outcomes is not None
    for currency in ("USD", "EUR"):
        theirs = sum((one.theirs.get(currency, Decimal(0)) for one in statement.outcomes.values()), Decimal(0))
        ours = sum((one.ours.get(currency, Decimal(0)) for one in statement.outcomes.values()), Decimal(0))
        said = sum((sum(one.said, Decimal(0)) for one in all_fines if one.currency == currency), Decimal(0))
        assert theirs == said + (5 * unknown if currency == "USD" else 0)
        assert ours == library.one(
            "SELECT coalesce(sum(outstanding), 0) FROM fines WHERE currency = :currency", currency=currency
        )


def _fill(statements: StatementInbox, office: FakeBursar, all_fines: list[OracleFine]) -> None:
    """Exports and pays the fines, first those that are old; payments that are not old come lately."""
    library = statements.library
    for is_old in (True, False):
        new = [one for one in all_fines if one.is_old is is_old]
        ids = [library.fine(amount=str(one.amount), currency=one.currency) for one in new]
        if ids:
            office.export()
        for one, id_ in zip(new, ids, strict=True):
            one.id_ = office.get_transaction(id_)
            one.history = [one.amount] if is_old else [Decimal(0), one.amount]
        for one in all_fines:
            for amount, is_late in one.payments if one.id_ else []:
                if (is_old and not is_late) or (not is_old and (is_late or not one.is_old)):
                    left = one.history[-1] - min(amount, one.history[-1])
                    if left != one.history[-1]:
                        paid = one.history[-1] - left
                        office.pay(Payment(one.id_, f"{paid:.2f}", one.currency))
                    one.history = [left] if is_old else [*one.history, left]
        if is_old:
            statements.age(30)
    assert {one.id_: one.history[-1] for one in all_fines} == _read_outstanding(statements)


def _read_outstanding(statements: StatementInbox) -> dict[str, Decimal]:
    sql = "SELECT transaction_id, outstanding FROM exported_fines JOIN fines ON fines.id = fine_id"
    with statements.library.ledger.connect() as connection:
        return {row.transaction_id: row.outstanding for row in connection.execute(text(sql))}
