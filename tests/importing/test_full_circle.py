"""Whatever happens, and in whatever order: every cent is accounted for, and every status is the right one."""

from dataclasses import dataclass
from decimal import Decimal

from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Engine, text

from bursar.ledger import desk
from tests.library import Library, empty
from tests.office import Office, Payment

CENTS = st.integers(1, 500).map(lambda cents: Decimal(cents) / 100)


@dataclass
class Fine:
    """What we believe of a fine. Amounts are those of the rules, with the sign of the charge."""

    id: int
    original: Decimal
    balance: Decimal
    status: str = "ACTIVE"
    outstanding: Decimal = Decimal()
    paid_at_the_desk: Decimal = Decimal()
    waived: Decimal = Decimal()
    paid_at_the_bursar: Decimal = Decimal()
    credits_made: Decimal = Decimal()
    transaction: str = ""

    @property
    def accounted_for(self) -> Decimal:
        return (
            self.paid_at_the_desk
            + self.waived
            + self.balance
            + self.paid_at_the_bursar
            + self.outstanding
            - self.credits_made
        )


class Circle(RuleBasedStateMachine):
    """Charges, credits, the desk, exports, and a bursar who pays, repeats, shuffles and loses files."""

    ledger: Engine
    owned_ledger: Engine

    def __init__(self) -> None:
        super().__init__()
        empty(self.owned_ledger)
        self.library = Library(self.ledger)
        self.office = Office(self.library)
        self.user = self.library.user()
        self.fines: dict[int, Fine] = {}
        self.reported: list[tuple[int, Payment]] = []

    @initialize(amounts=st.lists(CENTS, min_size=1, max_size=3), credits=st.lists(CENTS, max_size=2))
    def some_are_exported(self, amounts: list[Decimal], credits: list[Decimal]) -> None:  # noqa: A002
        for amount in amounts:
            self.charge(amount, credit=False)
        for amount in credits:
            self.charge(amount, credit=True)
        self.export()

    @rule(amount=CENTS, credit=st.booleans())
    def charge(self, amount: Decimal, credit: bool) -> None:
        signed = -amount if credit else amount
        fine = self.library.fine(self.user, str(signed))
        self.fines[fine] = Fine(fine, signed, signed)

    @rule(data=st.data(), share=st.fractions(0, 1), waive=st.booleans())
    def at_the_desk(self, data: st.DataObject, share: float, waive: bool) -> None:
        owed = [fine for fine in self.fines.values() if fine.balance]
        if not owed:
            return
        fine = data.draw(st.sampled_from(owed))
        amount = max(Decimal("0.01"), (abs(fine.balance) * Decimal(float(share))).quantize(Decimal("0.01")))
        with self.library.ledger.begin() as connection:
            (desk.waive if waive else desk.pay)(connection, fine.id, amount)
        moved = amount if fine.original > 0 else -amount
        fine.balance -= moved
        if waive:
            fine.waived += moved
        else:
            fine.paid_at_the_desk += moved
        fine.status = "ACTIVE" if fine.balance else "CLOSED"

    @rule()
    def export(self) -> None:
        self.office.export()
        for fine in self.fines.values():
            if fine.balance:
                fine.outstanding, fine.balance, fine.status = fine.balance, Decimal(), "CLOSED"
                fine.transaction = self.office.transaction(fine.id)

    @rule(
        data=st.data(),
        kinds=st.lists(
            st.sampled_from(["full", "full", "partial", "over", "wrong sign", "nothing", "unknown", "replayed"]),
            min_size=1,
            max_size=6,
        ),
        amount=CENTS,
        applied=st.sampled_from([0, 1, 1, 1, 2]),
    )
    def a_file_comes(self, data: st.DataObject, kinds: list[str], amount: Decimal, applied: int) -> None:
        """In any order; a file may be lost, applied twice, or repeat what others said."""
        exported = [fine for fine in self.fines.values() if fine.transaction]
        if not exported:
            return
        records = []
        for kind in kinds:
            if kind == "replayed" and self.reported:
                records.append(data.draw(st.sampled_from(self.reported)))
            else:
                records.append(self._record(data.draw(st.sampled_from(exported)), kind, amount))
        file = self.office.file(*(payment for _, payment in records))
        for _ in range(applied):
            self.office.apply(file)
        if applied:
            self.reported += records
            expected = [self._pays(fine, payment) for fine, payment in records]
            assert [outcome.outcome for outcome in self.office.outcomes(file)] == expected
            for outcome in expected:
                event(outcome)

    def _record(self, fine: Fine, kind: str, amount: Decimal) -> tuple[int, Payment]:
        sign = 1 if fine.original > 0 else -1
        sums = {
            "partial": sign * min(amount, abs(fine.outstanding) / 2).quantize(Decimal("0.01")),
            "over": fine.outstanding + sign * amount,
            "wrong sign": -sign * amount,
            "nothing": Decimal(),
        }
        sum_ = sums.get(kind, fine.outstanding or fine.original)
        return fine.id, Payment("unknown" if kind == "unknown" else fine.transaction, str(sum_))

    def _pays(self, fine_id: int, payment: Payment) -> str:  # noqa: PLR0911  one return an outcome
        """The rules again, in the plainest way: one record after the other."""
        if payment.transaction_id == "unknown":
            return "UNMATCHED"
        fine, sum_ = self.fines[fine_id], Decimal(payment.sum or 0)
        if sum_ == 0:
            return "NO_PAYMENT"
        if sum_ * fine.original < 0:
            return "INVALID"
        if fine.outstanding == 0:
            return "ALREADY_SETTLED"
        rest = sum_ - fine.outstanding
        if rest * fine.original > 0 and fine.original < 0:
            return "INVALID"
        fine.status = "TRANSFERRED"
        fine.paid_at_the_bursar += sum_
        if rest * fine.original < 0:
            fine.outstanding -= sum_
            return "PARTLY_PAID"
        fine.outstanding = Decimal()
        if rest == 0:
            return "PAID"
        fine.credits_made += rest
        credit = int(
            self.library.one("SELECT id FROM fines WHERE reverses = :fine ORDER BY id DESC LIMIT 1", fine=fine_id)
        )
        self.fines[credit] = Fine(credit, -rest, -rest)
        return "OVERPAID"

    @invariant()
    def every_cent_is_accounted_for(self) -> None:
        with self.library.ledger.connect() as connection:
            rows = connection.execute(
                text(
                    "SELECT fines.id, status, balance, outstanding, sum(balance_change), sum(outstanding_change)"
                    " FROM fines JOIN journal ON fine_id = fines.id GROUP BY fines.id ORDER BY fines.id"
                )
            ).all()
        assert [row[0] for row in rows] == sorted(self.fines)
        for id_, status, balance, outstanding, journal_balance, journal_outstanding in rows:
            fine = self.fines[id_]
            assert (balance, outstanding) == (journal_balance, journal_outstanding)
            assert (status, balance, outstanding) == (fine.status, fine.balance, fine.outstanding)
            assert fine.original == fine.accounted_for


def test_the_full_circle(ledger: Engine, owned_ledger: Engine) -> None:
    class OnThisLedger(Circle):
        pass

    OnThisLedger.ledger, OnThisLedger.owned_ledger = ledger, owned_ledger
    run_state_machine_as_test(
        OnThisLedger,
        settings=settings(
            max_examples=25,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
