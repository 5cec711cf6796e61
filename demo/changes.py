"""What changes in the library's system after its first files: the rows of its later files that differ."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from demo.cases import ACCRUING, DAY, LOST, PAID, Charge, student
from demo.catalogue import BOOKS, Person

NOOR, JONAS, MEI, LUCAS = (
    Person.named(*name) for name in (("Haddad", "Noor"), ("Weber", "Jonas"), ("Tanaka", "Mei"), ("Silva", "Lucas"))
)
OLD_LOGIN, LOGIN = "meitanaka", "tanakam"
LOST_BOOK = "F9001"

# The last accounts of the library, so that the internal ids of their fines are greater than all transaction ids.
ACCOUNTS = (
    student(LOST._replace(cents=84_00, book=BOOKS[8], comment="declared lost", id=LOST_BOOK), person=NOOR),
    student(Charge(36_00, state=PAID, book=BOOKS[0], id="F9002"), person=JONAS),
    student(Charge(18_00, book=BOOKS[3], id="F9003"), person=MEI)._replace(primary_id=OLD_LOGIN),
    student(person=MEI)._replace(primary_id=LOGIN),
    student(Charge(12_00, 20 * DAY, state=ACCRUING, book=BOOKS[7], id="F9004"), person=LUCAS),
)


@dataclass(frozen=True)
class Change:
    """A change of a fine, by its id, in the library's system; `said` describes it for librarians.

    `values` replace those of the fine's row. `added` is a further row: the values that differ, with an id of its own,
    and it was charged `days` ago. The user with the primary id `merged` has no account any more. `to_bursar` is the
    amount that the exports after it have to send.
    """

    fine: str
    said: str
    values: Mapping[str, str] = field(default_factory=dict)
    added: Mapping[str, str] = field(default_factory=dict)
    days: int = 0
    merged: str | None = None
    to_bursar: Decimal = Decimal()

    @property
    def ids(self) -> list[str]:
        """The ids in the library's system of the fines that it concerns, the main one first."""
        return [*([self.fine] if self.values else []), *([self.added["fine_id"]] if self.added else [])]


CHANGES = (
    Change(
        LOST_BOOK,
        "The lost book is back: a credit of 84.00",
        {"balance": "0.00"},
        {
            "fine_id": "F9005",
            "fine_fee_type": "CREDIT",
            "amount": "-84.00",
            "reverses": LOST_BOOK,
            "comment": "returned",
        },
        to_bursar=Decimal(-84),
    ),
    Change("F9002", "The payment was refunded: 36.00 is owed again", {"balance": "36.00"}, to_bursar=Decimal(36)),
    Change("F9003", "Two accounts of one user were merged", {"primary_id": LOGIN}, merged=OLD_LOGIN),
    Change(
        "F9004",
        "The overdue book is back: the fine grew from 12.00 to 21.00 and is final",
        {"amount": "21.00", "balance": "21.00", "status": "open"},
        to_bursar=Decimal(21),
    ),
    Change("F9002", "A new fine, with the amount 12,50", added={"fine_id": "F9006", "amount": "12,50", "balance": ""}),
)
RARE_BOOK = Change(
    LOST_BOOK,
    "A rare book is lost: a charge of 2,500.00",
    added={"fine_id": "F9007", "amount": "2500.00", "balance": "2500.00", "comment": "rare book, declared lost"},
    days=30,
    to_bursar=Decimal(2_500),
)
"""Beyond the limit of the profile of students in `make up`."""
PAID_MEANWHILE = Change("F9002", "The fine was paid at the desk", {"balance": "0.00"})
"""Deferred while an export holds the fine."""
