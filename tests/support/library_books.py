"""The books of a simulated library system: what it would write into its files, whatever happens to its fines."""

from dataclasses import dataclass
from decimal import Decimal

CENT = Decimal("0.01")
NOTHING = Decimal()
USERS = ("u1", "u2", "u3")


@dataclass
class Entry:
    """A fine, or a credit, as the library system has it. Amounts have no sign."""

    id: str
    user: str
    amount: Decimal
    balance: Decimal
    reverses: str | None = None
    is_credit: bool = False
    status: str = "open"
    settled_as: str = ""
    owner: str = "MAIN"

    def row(self, *, with_status: bool = True) -> dict[str, str]:
        """Returns the row of a file of fines."""
        sign = "-" if self.is_credit else ""
        return {
            "fine_id": self.id,
            "primary_id": self.user,
            "fine_fee_type": "CREDIT" if self.is_credit else "OVERDUEFINE",
            "amount": f"{sign}{self.amount}",
            "created_at": "2024-05-01T10:00:00",
            "balance": f"{sign if self.balance else ''}{self.balance}",
            "owner_library": self.owner,
            "reverses": self.reverses or "",
            "settled_as": self.settled_as,
            "status": self.status if with_status else "",
        }


def take(whole: Decimal, portion: Decimal) -> Decimal:
    """Returns a portion of an amount, at least a cent of it."""
    return min(whole, max(CENT, (whole * portion).quantize(CENT)))


class LibraryBooks:
    """All fines of a library system; each operation does what such a system does, or nothing where it could not."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.written: dict[str, dict[str, str]] = {}

    def charge(self, user: str, amount: Decimal, status: str = "open") -> None:
        self._add(Entry(self._next_id(), user, amount, amount, status=status))

    def return_item(self, charge: Entry, portion: Decimal, *, applied: bool) -> None:
        """Gives a credit for a part of a charge that no credit reverses yet, and applies it immediately or later."""
        left = charge.amount - self._credited(charge)
        if charge.is_credit or charge.status == "cancelled" or left <= 0:
            return
        amount = take(left, portion)
        credit = Entry(self._next_id(), charge.user, amount, amount, charge.id, is_credit=True)
        self._add(credit)
        if applied:
            self.apply(credit)

    def apply(self, credit: Entry) -> None:
        """Applies a credit to the charge that it reverses, as far as both are open."""
        charge = self.entries.get(credit.reverses or "")
        if charge and charge.status != "cancelled":
            applied = min(credit.balance, charge.balance)
            credit.balance -= applied
            charge.balance -= applied

    def settle(self, entry: Entry, portion: Decimal, kind: str) -> None:
        """A charge is paid or waived; a credit is paid out. No charge is waived that a credit reverses."""
        if entry.balance and not (kind == "waived" and self._credited(entry)):
            entry.balance -= take(entry.balance, portion)
            entry.settled_as = kind

    def refund(self, entry: Entry, portion: Decimal) -> None:
        """Money is given back, or a payment voided: the charge is open again. So is a cancelled one."""
        if entry.amount > entry.balance:
            entry.balance += take(entry.amount - entry.balance, portion)
            entry.status = "open" if entry.status == "cancelled" else entry.status

    def grow(self, entry: Entry, amount: Decimal) -> None:
        if entry.status != "cancelled" and not entry.is_credit:
            entry.amount += amount
            entry.balance += amount

    def shrink(self, entry: Entry, portion: Decimal, *, beyond: bool = False) -> None:
        """Lowers the amount by a part of the balance, or (`beyond`) of the whole, so that too much has been paid.

        No credit reverses more than what is left.
        """
        lowered = take(entry.amount if beyond else entry.balance, portion)
        if entry.status != "cancelled" and lowered < entry.amount and lowered <= entry.amount - self._credited(entry):
            entry.amount -= lowered
            entry.balance = max(entry.balance - lowered, NOTHING)

    def cancel(self, entry: Entry) -> None:
        """Cancels a credit, or a charge that no credit reverses."""
        if not self._credited(entry):
            entry.balance, entry.status = NOTHING, "cancelled"

    def mark(self, entry: Entry, status: str) -> None:
        if entry.status != "cancelled":
            entry.status = status

    def merge(self, user: str, into: str) -> None:
        """Merges an account into another one, with all its fines."""
        for entry in self.entries.values():
            if entry.user == user:
                entry.user = into

    def rows(self, *, complete: bool, with_status: bool = True) -> list[dict[str, str]]:
        """Returns the rows of a file: of all fines, or of those that have changed since they were last written."""
        rows = [entry.row(with_status=with_status) for entry in self.entries.values()]
        chosen = [row for row in rows if complete or self.written.get(row["fine_id"]) != row]
        self.written |= {row["fine_id"]: row for row in chosen}
        return chosen

    def _credited(self, charge: Entry) -> Decimal:
        return sum((credit.amount for credit in self.entries.values() if credit.reverses == charge.id), NOTHING)

    def _add(self, entry: Entry) -> None:
        self.entries[entry.id] = entry

    def _next_id(self) -> str:
        return f"F{len(self.entries) + len([id_ for id_ in self.written if id_ not in self.entries]) + 1}"
