# ruff: noqa: S311  random on purpose: the same seed must give the same library
"""An invented library for demos and tests. The same number of fines, seed and moment give the same rows."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain, islice
from random import Random
from typing import cast

from sqlalchemy import Connection, Engine

from bursar.db.bulk_copy import copy_into
from bursar.db.queries import query
from bursar.errors import LedgerError
from demo import catalogue
from demo.catalogue import DAY, MINUTE, Account, Charge, Number, Person

COLUMNS = {
    "libraries": ("code", "id", "name"),
    "user_groups": ("code", "name"),
    "users": ("id", "last_name", "first_name", "user_group", "expiry_date", "purge_date"),
    "identifiers": ("user_id", "type", "value"),
    "items": ("id", "barcode", "title", "call_number", "library", "location", "internal_location"),
    "fines": ("id", "user_id", "item_id", "owner_library", "fine_fee_type", "currency", "amount", "vat", "comment",
              "item_due_date", "created_at", "reverses", "balance", "last_transaction_at"),
    "journal_entries": ("id", "fine_id", "entry_type", "balance_change", "posted_at"),
}  # fmt: skip
ROWS_AT_ONCE = 200_000
CENT = Decimal("0.01")
Values = tuple[object, ...]
Row = tuple[str, Values]  # table and values

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
    *[(catalogue.LOST, catalogue.HANDLING)] * 2,
    (catalogue.LOST, catalogue.HANDLING, catalogue.FOUND),
    (catalogue.CARD,),
    (catalogue.CREDIT,),
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
HISTORIES = (
    *[()] * 65, *[catalogue.PAID] * 18, *[catalogue.WAIVED] * 5, *[catalogue.DISPUTED] * 2, catalogue.DISPUTE_SETTLED,
    *[(("PAID", percentage),) for percentage in range(10, 91, 10)],
)  # fmt: skip
SHELVES = (*catalogue.BOOKS * 20, *catalogue.ODD_BOOKS)
DAYS_OVERDUE = (*[None] * 10, *range(1, 40))


def fill(engine: Engine, *, fines: int, seed: int, now: datetime) -> dict[str, int]:
    """Fills an empty, migrated ledger with that many fines and all that belongs to them, in one transaction.

    The cases of `catalogue.CASES` come first and fit into 200 fines; the rest is random. The same
    arguments give the same rows on any machine with the same versions of Python and Faker. Memory stays flat.

    Args:
        engine: the ledger; its tables belong to the role that connects.
        fines: how many; with 0 there are libraries and user groups and nothing else.
        seed: any integer.
        now: the moment, with a time zone, from which ages and expiry dates count; its fraction of a second is dropped.

    Returns:
        The number of rows in each table filled.

    Raises:
        LedgerError: the ledger holds records; demo data never mixes with real data.
        BursarError: Faker is not installed.
    """
    counts = dict.fromkeys(COLUMNS, 0)
    rows = _rows(fines, Random(seed), catalogue.people(seed), now.astimezone(UTC).replace(microsecond=0))
    with engine.begin() as connection:
        if not connection.scalar(query("demo/is_empty")):
            raise LedgerError(
                "The ledger already holds users, items, fines, libraries or user groups, and demo data never mixes "
                "with real data. Fill an empty, migrated database instead."
            )
        connection.execute(query("demo/drop_references"))
        # The next portion is generated while the database copies this one.
        with ThreadPoolExecutor(max_workers=1) as ahead:
            coming = ahead.submit(_portion, rows)
            while any((portion := coming.result()).values()):
                coming = ahead.submit(_portion, rows)
                for table, some in portion.items():
                    _copy(connection, table, some)
                    counts[table] += len(some)
        connection.execute(query("demo/restore_references"))
        connection.execute(query("demo/continue_ids"))
        connection.execute(query("demo/analyze"))
    return counts


def _portion(rows: Iterator[Row]) -> dict[str, list[Values]]:
    """Returns the next rows by table, each table after those that it refers to."""
    portion: dict[str, list[Values]] = {table: [] for table in COLUMNS}
    for table, values in islice(rows, ROWS_AT_ONCE):
        portion[table].append(values)
    return portion


def _copy(connection: Connection, table: str, rows: list[Values]) -> None:
    """Copies rows into a table, with their ids instead of generated ones."""
    with copy_into(connection, f"{table} ({', '.join(COLUMNS[table])})") as copy:
        for row in rows:
            copy.write_row(row)


def _rows(fines: int, rng: Random, crowd: list[Person], now: datetime) -> Iterator[Row]:
    """Yields the rows of the whole ledger. A row refers only to rows before it, so portions can be of any size."""
    yield from (("libraries", (code, *library)) for code, library in catalogue.LIBRARIES.items())
    yield from (("user_groups", group) for group in catalogue.USER_GROUPS.items())
    fine_id = item_id = entry_id = 0
    for user_id, account in enumerate(chain(catalogue.CASES, _random_accounts(rng)), start=1):
        if fine_id >= fines:
            return
        yield from _user(account, user_id, rng, crowd, now)
        for charge in account.charges[: fines - fine_id]:
            fine_id += 1
            created_at = now - timedelta(seconds=charge.age)
            if charge.item == "new":
                item_id += 1
                days = rng.choice(DAYS_OVERDUE)
                due = days and created_at - timedelta(days=days)
                yield "items", _item(charge, item_id, rng)
            item = (None, None) if charge.item == "none" else (item_id, due)
            amount = Decimal(charge.cents) / 100
            vat = (amount / 21).quantize(CENT) if charge.fine_fee_type == "OTHER" else None
            reverses = fine_id - charge.reverses if charge.reverses else None
            yield (
                "fines",
                (fine_id, user_id, item[0], charge.library, charge.fine_fee_type, charge.currency, amount, vat,
                 charge.comment, item[1], created_at, reverses, amount, created_at),
            )  # fmt: skip
            for kind, change, at in _history(charge, amount, rng, now):
                entry_id += 1
                yield "journal_entries", (entry_id, fine_id, kind, change, at)


def _user(account: Account, user_id: int, rng: Random, crowd: list[Person], now: datetime) -> Iterator[Row]:
    person = account.person or rng.choice(crowd)
    expiry = None if account.expires is None else now.date() + timedelta(days=account.expires)
    purge = expiry and expiry + timedelta(days=180)
    yield "users", (user_id, person.last_name, person.first_name, account.group, expiry, purge)
    yield "identifiers", (user_id, "userName", f"{person.login}{user_id}")
    if account.has_card:
        yield "identifiers", (user_id, "01", f"29031{100_000_000 + 7 * user_id}")
    number = f"{user_id * 61_803_399 % 10**8:08d}"  # a different one for each user, one in ten with a leading zero
    if account.number != "none":
        shown = {"regular": number, "letters": f"S{number[1:]}", "short": number[1:]}[account.number]
        yield "identifiers", (user_id, "02", shown)


def _item(charge: Charge, item_id: int, rng: Random) -> Values:
    call_number, title = charge.book or rng.choice(SHELVES)
    barcode = f"39031{100_000_000 + 7 * item_id}"
    library = charge.moved_to or charge.library
    if library is None:  # lent by another institution: no shelf here
        return (item_id, barcode, title, None, None, None, None)
    return (item_id, barcode, title, call_number, library, *rng.choice(catalogue.LOCATIONS[library]))


def _history(charge: Charge, amount: Decimal, rng: Random, now: datetime) -> Iterator[tuple[str, Decimal, datetime]]:
    """Yields type, balance change and moment of each journal entry, oldest first."""
    owed, age = amount, charge.age
    yield "CHARGED", owed, now - timedelta(seconds=age)
    for kind, percentage in charge.history:
        part = (owed * percentage / 100).quantize(CENT)
        owed -= part
        age = rng.randrange(age + 1)
        yield kind, -part, now - timedelta(seconds=age)


def _random_accounts(rng: Random) -> Iterator[Account]:
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
    for charge in rng.choice(MISHAPS):
        cents = -charged[-charge.reverses] if charge.reverses else rng.choice(CENTS[charge.fine_fee_type])
        charged.append(cents)
        yield charge._replace(
            cents=cents,
            age=rng.randrange(age) if charge.reverses else age,
            library=charge.library and library,
            currency=currency,
            history=rng.choice(HISTORIES) if cents > 0 else (),
            moved_to=rng.choice(MOVED_TO),
            comment=rng.choice(COMMENTS),
        )
