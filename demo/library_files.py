# ruff: noqa: S311  random on purpose: the same seed must give the same library
"""The CSV files of an invented library, for the demo and tests. The same arguments give the same files."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain
from pathlib import Path
from random import Random
from typing import cast

from demo import cases, catalogue
from demo.cases import DAY, MINUTE, Account, Charge, Number, State
from demo.catalogue import Person
from demo.changes import ACCOUNTS, Change

COLUMNS = {
    "groups": ("code", "name"),
    "libraries": ("code", "id", "name"),
    "users": ("user_id", "primary_id", "last_name", "first_name", "user_group", "expiry_date", "purge_date",
              "identifier:01", "identifier:02"),
    "fines": ("fine_id", "primary_id", "fine_fee_type", "amount", "balance", "settled_as", "status", "currency",
              "created_at", "owner_library", "reverses", "vat", "comment", "item_barcode", "item_title",
              "item_call_number", "item_library", "item_location", "item_internal_location", "item_due_date"),
}  # fmt: skip
"""The columns of each kind of file, as docs/reference/csv.md describes them."""
CENT = Decimal("0.01")
Row = dict[str, object]

# Probabilities: each value is as likely as it is frequent here.
GROUPS = (*["UNDERGRADUATE"] * 5, *["GRADUATE"] * 2, "STAFF", "FACULTY", "VISITOR")
NUMBERS = cast("tuple[Number, ...]", (*["regular"] * 45, "none", "none", "letters", "short"))
NUMBERS_OF_VISITORS = cast("tuple[Number, ...]", ("none", "none", "none", "regular"))
CARDS = (*[True] * 15, False)
EXPIRES = range(-150, 1400)
MISHAPS_A_USER = (*[0] * 6, *[1] * 45, *[2] * 22, *[3] * 13, *[4] * 8, *[8] * 4, 15, 40)
MISHAPS = (
    *[(Charge(0),)] * 12,
    *[(Charge(0, fine_fee_type="RECALLEDOVERDUEFINE"),)] * 2,
    (Charge(0, fine_fee_type="DAMAGEDITEMFINE"),),
    (Charge(0, fine_fee_type="OTHER", item="none"),),
    *[(cases.LOST, cases.HANDLING)] * 2,
    (cases.LOST, cases.HANDLING, cases.FOUND),
    (cases.CARD,),
    (cases.CREDIT,),
)
CENTS = {
    "OVERDUEFINE": range(25, 20_01, 25),
    "RECALLEDOVERDUEFINE": range(1_00, 40_01, 1_00),
    "DAMAGEDITEMFINE": range(5_00, 60_01, 5_00),
    "OTHER": range(10, 12_01, 10),
    "LOSTITEMREPLACEMENTFEE": range(30_00, 300_01),
    "LOSTITEMPROCESSFEE": (20_00,),
    "LIBRARYCARDREPLACEMENT": (15_00,),
    "CREDIT": range(-20_00, -99, 25),
}
AGES = (*[range(3 * MINUTE, 400 * DAY)] * 11, range(3 * MINUTE, 12 * DAY))
OWNERS = ("MAIN", "MAIN", "MAIN", "LAW", "SCI", "MED")
MOVED_TO = (*[None] * 130, *catalogue.LIBRARIES)
CURRENCIES = (*["USD"] * 16, "CAD")
COMMENTS = (*[None] * 80, *catalogue.COMMENTS)
STATES = (
    *[cases.OPEN] * 65, *[cases.PAID] * 18, *[cases.WAIVED] * 5, *[cases.DISPUTED] * 3,
    *[State(percentage) for percentage in range(10, 91, 10)],
)  # fmt: skip
SHELVES = (*catalogue.BOOKS * 20, *catalogue.ODD_BOOKS)
DAYS_OVERDUE = (*[None] * 10, *range(1, 40))


def write_files(
    folder: Path, *, fines: int, seed: int, now: datetime, changes: Sequence[Change] = ()
) -> dict[str, int]:
    """Writes the files `groups.csv`, `libraries.csv`, `users.csv` and `fines.csv` of a library into a folder.

    The fines of `cases.CASES` come first, and those of `changes.ACCOUNTS` last; both fit into 200 fines. The rest is
    random. The same arguments give the same rows on any machine with the same versions of Python and Faker. Memory
    stays flat.

    Args:
        folder: it must exist.
        fines: how many; with 0 there are libraries and user groups and nothing else.
        seed: any integer.
        now: the moment, with a time zone, from which ages and expiry dates count; its fraction of a second is dropped.
        changes: what has changed in the library's system; of several changes of a value the last counts.

    Returns:
        The number of rows in each file, by its kind.

    Raises:
        BursarError: Faker is not installed.
    """
    counts = dict.fromkeys(COLUMNS, 0)
    now = now.astimezone(UTC).replace(microsecond=0)
    with ExitStack() as stack:
        writers = {}
        for kind, columns in COLUMNS.items():
            file = stack.enter_context((folder / f"{kind}.csv").open("w", encoding="utf-8", newline=""))
            writers[kind] = csv.DictWriter(file, columns)
            writers[kind].writeheader()
        for kind, row in _change(_rows(fines, Random(seed), catalogue.people(seed), now), changes, now):
            writers[kind].writerow(row)
            counts[kind] += 1
    return counts


def _change(rows: Iterator[tuple[str, Row]], changes: Sequence[Change], now: datetime) -> Iterator[tuple[str, Row]]:
    """Yields the rows with their changes, and at the end the added ones."""
    added: list[Row] = []
    merged = {change.merged for change in changes}
    for kind, row in rows:
        for change in (change for change in changes if change.fine == row.get("fine_id")):
            row.update(change.values)
            if change.added:
                created_at = (now - timedelta(days=change.days)).isoformat()
                values = {"balance": "0.00", "status": "open", "created_at": created_at, **change.added}
                added.append(row | values)
        if kind != "users" or row["primary_id"] not in merged:
            yield kind, row
    yield from (("fines", row) for row in added)


def _rows(fines: int, rng: Random, crowd: list[Person], now: datetime) -> Iterator[tuple[str, Row]]:
    """Yields the rows of the first files, each with its kind. A row refers only to rows before it."""
    for code, (id_, name) in catalogue.LIBRARIES.items():
        yield "libraries", {"code": code, "id": id_, "name": name}
    for code, name in catalogue.USER_GROUPS.items():
        yield "groups", {"code": code, "name": name}
    of_changes = sum(len(account.charges) for account in ACCOUNTS)
    others = limit_accounts(chain(cases.CASES, make_accounts(rng)), fines - of_changes)
    yield from make_rows(chain(others, limit_accounts(ACCOUNTS, fines)), rng, crowd, now)


def make_rows(
    accounts: Iterable[Account], rng: Random, crowd: list[Person], now: datetime, *, first_user: int = 1
) -> Iterator[tuple[str, Row]]:
    """Yields the row of each user, who is numbered, and then those of its fines, each with its kind."""
    fine = item = 0
    for number, account in enumerate(accounts, start=first_user):
        user = _user(account, account.person or rng.choice(crowd), number, now)
        yield "users", user
        item_row: Row = {}
        for charge in account.charges:
            fine += 1
            if charge.item == "new":
                item += 1
                days = rng.choice(DAYS_OVERDUE)
                due = days and now - timedelta(seconds=charge.age, days=days)
                item_row = _item(charge, item, rng) | {"item_due_date": due.isoformat() if due else None}
            row = _fine(charge, fine, now) | {"primary_id": user["primary_id"]}
            yield "fines", row if charge.item == "none" else row | item_row


def limit_accounts(accounts: Iterable[Account], fines: int) -> Iterator[Account]:
    """Yields accounts until they have this number of fines."""
    for account in accounts:
        if fines <= 0:
            return
        yield account._replace(charges=account.charges[:fines])
        fines -= len(account.charges)


def _user(account: Account, person: Person, number: int, now: datetime) -> Row:
    expiry = None if account.expires is None else now.date() + timedelta(days=account.expires)
    student = f"{number * 61_803_399 % 10**8:08d}"  # a different one for each user, one in ten with a leading zero
    shown = {"regular": student, "letters": f"S{student[1:]}", "short": student[1:], "none": None}
    return {
        "user_id": f"U{1_000 + number}",
        "primary_id": account.primary_id or f"{person.login}{number}",
        "last_name": person.last_name,
        "first_name": person.first_name,
        "user_group": account.group,
        "expiry_date": expiry,
        "purge_date": expiry and expiry + timedelta(days=180),
        "identifier:01": f"29031{100_000_000 + 7 * number}" if account.has_card else None,
        "identifier:02": shown[account.number],
    }


def _item(charge: Charge, number: int, rng: Random) -> Row:
    call_number, title = charge.book or rng.choice(SHELVES)
    item: Row = {"item_barcode": f"39031{100_000_000 + 7 * number}", "item_title": title}
    library = charge.moved_to or charge.library
    if library is None:  # lent by another institution: no shelf here
        return item
    location, internal_location = rng.choice(catalogue.LOCATIONS[library])
    return item | {
        "item_call_number": call_number,
        "item_library": library,
        "item_location": location,
        "item_internal_location": internal_location,
    }


def _fine(charge: Charge, number: int, now: datetime) -> Row:
    amount = Decimal(charge.cents) / 100
    return {
        "fine_id": charge.id or _get_fine_id(number),
        "fine_fee_type": charge.fine_fee_type,
        "amount": amount.quantize(CENT),
        "balance": (amount * charge.state.percentage / 100).quantize(CENT),
        "settled_as": charge.state.settled_as,
        "status": charge.state.status,
        "currency": charge.currency,
        "created_at": (now - timedelta(seconds=charge.age)).isoformat(),
        "owner_library": charge.library,
        "reverses": _get_fine_id(number - charge.reverses) if charge.reverses else None,
        "vat": (amount / 21).quantize(CENT) if charge.fine_fee_type == "OTHER" else None,
        "comment": charge.comment,
    }


def _get_fine_id(number: int) -> str:
    return f"F{1_000 + number}"


def make_accounts(rng: Random) -> Iterator[Account]:
    """Yields an endless sequence of accounts as in an ordinary library."""
    while True:
        group = rng.choice(GROUPS)
        ages = sorted((rng.choice(rng.choice(AGES)) for _ in range(rng.choice(MISHAPS_A_USER))), reverse=True)
        yield Account(
            group,
            tuple(chain.from_iterable(_random_mishap(rng, age) for age in ages)),
            rng.choice(NUMBERS_OF_VISITORS if group == "VISITOR" else NUMBERS),
            rng.choice(EXPIRES),
            has_card=rng.choice(CARDS),
        )


def _random_mishap(rng: Random, age: int) -> Iterator[Charge]:
    """Yields the charges for one mishap. A lost book costs two, and a credit if it is found."""
    library, currency, charged = rng.choice(OWNERS), rng.choice(CURRENCIES), list[int]()
    mishap = rng.choice(MISHAPS)
    for charge in mishap:
        cents = -charged[-charge.reverses] if charge.reverses else rng.choice(CENTS[charge.fine_fee_type])
        charged.append(cents)
        state = rng.choice(STATES) if cents > 0 else cases.OPEN
        if cases.FOUND in mishap and state is cases.WAIVED:  # nothing would be left for the credit
            state = cases.OPEN
        yield charge._replace(
            cents=cents,
            age=rng.randrange(age) if charge.reverses else age,
            library=charge.library and library,
            currency=currency,
            state=state,
            moved_to=rng.choice(MOVED_TO),
            comment=rng.choice(COMMENTS),
        )
