"""The accounts of the demo library: what users owe, and each case that an export has to tell apart."""

from typing import Literal, NamedTuple

from demo.catalogue import BOOKS, COMMENTS, ODD_BOOKS, ODD_PEOPLE, Book, Person

MINUTE, HOUR, DAY = 60, 3600, 86400


class State(NamedTuple):
    """What the library's system says of a fine: the percentage still owed, how the rest was settled, and a status."""

    percentage: int = 100
    settled_as: str = "paid"
    status: str = "open"


OPEN = State()
PAID = State(0)
PARTLY_PAID = State(60)
WAIVED = State(0, "waived")
DISPUTED = State(status="disputed")
ACCRUING = State(status="accruing")


class Charge(NamedTuple):
    """A fine, fee or credit."""

    cents: int
    age: int = 45 * DAY  # seconds before now
    fine_fee_type: str = "OVERDUEFINE"
    library: str | None = "MAIN"  # that owned the item then; None: the institution
    currency: str = "USD"
    state: State = OPEN
    item: Literal["new", "same", "none"] = "new"  # same: as the charge before it
    moved_to: str | None = None  # the library that has the item today
    reverses: int = 0  # how many charges back; 0: none
    book: Book | None = None
    comment: str | None = None
    id: str | None = None  # in the library's system; None: counted


Number = Literal["regular", "none", "letters", "short"]


class Account(NamedTuple):
    """A user and the fines of the account."""

    group: str
    charges: tuple[Charge, ...]
    number: Number = "regular"  # identifier 02: eight digits, or what people type instead
    expires: int | None = 300  # days from now
    person: Person | None = None
    has_card: bool = True  # identifier 01
    primary_id: str | None = None  # None: made of the name


def student(
    *charges: Charge, number: Number = "regular", expires: int | None = 300, person: Person | None = None
) -> Account:
    """The account of a student, whose fines the profile of students exports."""
    return Account("UNDERGRADUATE", charges, number, expires, person)


CARD = Charge(15_00, fine_fee_type="LIBRARYCARDREPLACEMENT", library=None, item="none")
LOST = Charge(120_00, 90 * DAY, "LOSTITEMREPLACEMENTFEE")
HANDLING = LOST._replace(cents=20_00, fine_fee_type="LOSTITEMPROCESSFEE", item="same")
FOUND = Charge(-120_00, 20 * DAY, "CREDIT", item="same", reverses=2)
CREDIT = Charge(-3_25, 40 * DAY, "CREDIT", item="none")

# Every case that an export has to tell apart, in any library however small. Days and sums are set against a wait of
# 7 days and a minimum of 10 for students, and of 30 days at the Medical Library.
CASES = (
    student(Charge(12_50, 390 * DAY)),
    # below the minimum, at it, above it; too little in each of two currencies; only the fine that is too young lifts it
    student(Charge(4_99), Charge(5_00)),
    student(Charge(4_00), Charge(6_00)),
    student(Charge(4_01), Charge(6_00)),
    student(Charge(6_00), Charge(6_00, currency="CAD")),
    student(Charge(25_00, currency="CAD", library="LAW")),
    student(Charge(8_00), Charge(8_00, 3 * DAY)),
    # the wait: a day longer, a day short of it, minutes old
    student(Charge(40_00, 8 * DAY), Charge(30_00, 6 * DAY), Charge(20_00, 5 * MINUTE)),
    # users: expired, without dates, without a number, with one that is none, with many fines, without any
    student(Charge(15_00), expires=-200),
    student(Charge(15_00), expires=None),
    student(Charge(20_00), number="none"),
    student(Charge(21_00), number="letters"),
    student(Charge(22_00), number="short"),
    student(*[Charge(50, age * DAY) for age in range(60, 9, -1)]),
    student(),
    # the owner stays when the item moves
    student(Charge(13_00, moved_to="SCI"), Charge(14_00, library="SCI", moved_to="MAIN")),
    Account("GRADUATE", (Charge(16_00, moved_to="MED"), Charge(17_00, library="MED", moved_to="LAW"))),
    # the balance of a fine counts, not its amount
    student(Charge(30_00, state=PARTLY_PAID)),
    student(Charge(16_00, state=State(25))),
    student(Charge(40_00, state=State(50, "waived"))),
    student(Charge(19_00, state=PAID), Charge(18_00, state=WAIVED)),
    student(Charge(50_00, state=DISPUTED), Charge(60_00, state=State(60, status="disputed"))),
    # a lost book found again: before the bill was paid, and after
    student(LOST, HANDLING, FOUND),
    student(LOST._replace(state=PAID), HANDLING._replace(state=PAID), FOUND),
    # credits that reverse nothing: open, refunded, disputed, too young
    student(CREDIT, CREDIT._replace(cents=-3_00, state=PAID)),
    student(CREDIT._replace(state=DISPUTED), CREDIT._replace(age=2 * HOUR)),
    # owed to the institution: for a card, for a book from another library
    student(CARD, Charge(45_00, fine_fee_type="DAMAGEDITEMFINE", library=None)),
    # owed to a library, for no item
    student(Charge(12_00, fine_fee_type="OTHER", library="LAW", item="none", comment=COMMENTS[1])),
    # other groups, other libraries
    Account("VISITOR", (Charge(60_00, library="LAW"), Charge(6_00, library="MED")), number="none", has_card=False),
    Account("STAFF", (Charge(25), Charge(82, library="MED"), Charge(75, 20 * DAY, library="MED"))),
    Account("STAFF", (Charge(7_00, state=DISPUTED), Charge(8_00, library="MED", state=DISPUTED))),
    Account("FACULTY", (LOST._replace(cents=300_00, library="LAW"), HANDLING._replace(library="LAW"), CREDIT)),
    student(Charge(11_00, library="MED"), Charge(12_00, library="SCI", fine_fee_type="RECALLEDOVERDUEFINE")),
    # text that a catalogue holds
    *[Account("GRADUATE", (Charge(18_00, library="LAW", book=book),)) for book in ODD_BOOKS],
    *[student(Charge(11_50), person=person) for person in ODD_PEOPLE],
    *[student(Charge(10_50, comment=comment)) for comment in COMMENTS],
    Account("GRADUATE", tuple(Charge(5_00, library="LAW", book=book) for book in BOOKS[-16:])),
)
