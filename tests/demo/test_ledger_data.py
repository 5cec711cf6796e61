"""The demo library: it has every case that an export distinguishes, and the same rows for the same arguments.

The module is long because the list of cases is.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, Row, text

from bursar.db.engine import ledger_engine, migrate
from bursar.errors import LedgerError
from bursar.exports.selection import preview
from bursar.exports.skip_reason import SkipReason
from bursar.ledger import desk
from bursar.profiles import INCLUDE, load_profiles, load_settings
from demo import ledger_data
from demo.fill import fill
from demo.postgres import LEDGER_OWNER, Postgres

NOW = datetime(2026, 3, 10, 14, 30, 15, tzinfo=UTC)
SEED = 7
RARE_REASONS = {"still_accruing", "in_unfinished_batch", "other_bursar"}
RARE_REASONS |= {"charge_not_exported", "other_currency", "other_profile"}
"""The reasons that no shipped profile has in the demo library."""

# Fines with their users and items. `ripe`: old enough for an export of MAIN, LAW and the institution after 7 days.
# `debt`: the sum of the user's ripe charges in that currency.
FINES = r"""
WITH around AS (
    SELECT fines.*, last_name, first_name, user_group, expiry_date, purge_date, number.value AS number,
           items.library AS item_library, title, call_number, now - created_at AS age, now,
           user_group IN ('UNDERGRADUATE', 'GRADUATE') AS student,
           balance <> 0 AND status = 'ACTIVE' AND now - created_at >= interval '7 days'
               AND coalesce(owner_library, 'MAIN') IN ('MAIN', 'LAW') AS ripe,
           (SELECT array_agg(entry_type ORDER BY entries.id) FROM journal_entries AS entries
            WHERE fine_id = fines.id) AS kinds
    FROM fines
    JOIN users ON users.id = user_id
    LEFT JOIN identifiers AS number ON number.user_id = fines.user_id AND number.type = '02'
    LEFT JOIN items ON items.id = item_id
    CROSS JOIN (SELECT CAST(:now AS timestamptz) AS now)
), f AS (
    SELECT *, sum(balance) FILTER (WHERE ripe AND balance > 0) OVER (PARTITION BY user_id, currency) AS debt,
           count(*) OVER (PARTITION BY user_id) AS fines_of_user
    FROM around
)
SELECT count(*) FROM f WHERE
"""
EXPORTED = r"ripe AND student AND balance > 0 AND debt >= 10 AND number ~ '^\d{8}$' AND "
OTHER_FINE = "EXISTS (SELECT FROM f AS other WHERE other.user_id = f.user_id AND "

CASES = {
    "a student's fine that is exported": EXPORTED + "fines_of_user = 1",
    "a sum just below the minimum": "ripe AND student AND debt = 9.99",
    "a sum at the minimum": "ripe AND student AND debt = 10",
    "a sum just above the minimum": "ripe AND student AND debt = 10.01",
    "a minimum reached only across currencies": "ripe AND student AND debt < 10 AND "
    + OTHER_FINE
    + "other.ripe AND other.currency <> f.currency AND other.debt < 10 AND f.debt + other.debt >= 10)",
    "a minimum reached only with a fine that is too young": "ripe AND student AND debt < 10 AND "
    + OTHER_FINE
    + "other.currency = f.currency AND other.age < interval '7 days' AND f.debt + other.balance >= 10)",
    "a second currency that is exported": EXPORTED + "currency = 'CAD'",
    "a day older than the wait": EXPORTED + "age = interval '8 days'",
    "a day too young": "student AND balance > 0 AND debt >= 10 AND age = interval '6 days'",
    "minutes old": "student AND balance > 0 AND age < interval '10 minutes'",
    "more than a year old": "age > interval '366 days'",
    "an expired user": EXPORTED + "expiry_date < CAST(now AS date)",
    "a user past the purge date": EXPORTED + "purge_date < CAST(now AS date)",
    "a user without dates": EXPORTED + "expiry_date IS NULL AND purge_date IS NULL",
    "a student without number": "ripe AND student AND debt >= 10 AND number IS NULL",
    "a number with letters": r"ripe AND student AND debt >= 10 AND number ~ '^[A-Z]\d{7}$'",
    "a number that is too short": r"ripe AND student AND debt >= 10 AND number ~ '^\d{7}$'",
    "a number with a leading zero": EXPORTED + r"number ~ '^0'",
    "a user with more than 50 fines": EXPORTED + "fines_of_user > 50",
    "a user without fines": "EXISTS (SELECT FROM users WHERE id NOT IN (SELECT user_id FROM fines))",
    "an item moved to a library that is not exported": EXPORTED + "owner_library = 'MAIN' AND item_library = 'SCI'",
    "an item moved to a library that is exported": "student AND owner_library = 'SCI' AND item_library = 'MAIN'",
    "an item moved to the medical library": "owner_library = 'MAIN' AND item_library = 'MED'",
    "an item moved away from the medical library": "owner_library = 'MED' AND item_library = 'LAW'",
    "a partly paid fine": EXPORTED + "kinds = '{CHARGED,PAID}' AND balance < amount",
    "a fine above the minimum of which less is left": "student AND amount >= 10 AND debt < 10 AND balance < amount",
    "a partly waived fine": EXPORTED + "kinds = '{CHARGED,WAIVED}' AND balance < amount",
    "a paid fine": "amount > 0 AND balance = 0 AND status = 'CLOSED' AND kinds = '{CHARGED,PAID,PAID}'",
    "a waived fine": "amount > 0 AND balance = 0 AND status = 'CLOSED' AND kinds = '{CHARGED,WAIVED}'",
    "a disputed fine": "student AND status = 'DISPUTED' AND balance = amount AND amount > 0",
    "a disputed fine that was partly paid": "status = 'DISPUTED' AND balance < amount AND amount > 0",
    "a dispute that was settled": EXPORTED + "kinds[3] = 'DISPUTE_SETTLED'",
    "a lost item found before it was paid": "ripe AND fine_fee_type = 'CREDIT' AND "
    + OTHER_FINE
    + "other.id = f.reverses AND other.item_id = f.item_id AND other.balance = -f.balance)",
    "a lost item found after it was paid": "ripe AND fine_fee_type = 'CREDIT' AND "
    + OTHER_FINE
    + "other.id = f.reverses AND other.status = 'CLOSED')",
    "a handling fee beside a lost item": "fine_fee_type = 'LOSTITEMPROCESSFEE' AND "
    + OTHER_FINE
    + "other.item_id = f.item_id AND other.fine_fee_type = 'LOSTITEMREPLACEMENTFEE')",
    "a credit that reverses nothing": "ripe AND balance < 0 AND reverses IS NULL",
    "a credit that was paid out": "amount < 0 AND balance = 0 AND status = 'CLOSED'",
    "a disputed credit": "balance < 0 AND status = 'DISPUTED'",
    "a credit that is too young": "balance < 0 AND status = 'ACTIVE' AND age < interval '7 days'",
    "a student's credit that the minimum excludes": "ripe AND student AND balance < 0",
    "a card fee owed to the institution": EXPORTED + "owner_library IS NULL AND item_id IS NULL",
    "an institution's fee for an item of no library": "owner_library IS NULL AND item_id IS NOT NULL "
    "AND item_library IS NULL AND call_number IS NULL",
    "a library's fee for no item": EXPORTED + "owner_library IS NOT NULL AND item_id IS NULL",
    "a fee with value added tax": EXPORTED + "vat > 0",
    "a fine with a due date": EXPORTED + "item_due_date < created_at",
    "a fine for an item without due date": EXPORTED + "item_id IS NOT NULL AND item_due_date IS NULL",
    "a visitor who owes enough": "ripe AND user_group = 'VISITOR' AND debt >= 10",
    "a quarter owed by staff": "ripe AND user_group = 'STAFF' AND debt = 0.25",
    "a faculty member's bill of hundreds": "ripe AND user_group = 'FACULTY' AND amount = 300",
    "cents that end in no zero": "status = 'ACTIVE' AND amount = 0.82",
    "a student's fine at the medical library": "student AND owner_library = 'MED' AND balance > 0",
    "a student's fine at the science library": "student AND owner_library = 'SCI' AND balance > 0",
    "a title in Latin letters with diacritics": EXPORTED + "title ~ '[ąčřżůêéíøüß]'",
    "a title in Cyrillic": EXPORTED + r"title ~ '[\u0430-\u044f]'",
    "a title in Greek": EXPORTED + r"title ~ '[\u03b1-\u03c9]'",
    "a title in Arabic": EXPORTED + r"title ~ '[\u0621-\u064a]'",
    "a title in Hebrew": EXPORTED + r"title ~ '[\u05d0-\u05ea]'",
    "a title in Chinese": EXPORTED + r"title ~ '^[\u4e00-\u9fff]'",
    "a title in Japanese": EXPORTED + r"title ~ '[\u3040-\u309f]'",
    "a title in Korean": EXPORTED + r"title ~ '[\uac00-\ud7a3]'",
    "a title beyond the basic plane": EXPORTED + r"title ~ '[\U00010000-\U0010ffff]'",
    "a title that looks like XML": EXPORTED + "title LIKE '<title>%&amp;%]]>%'",
    "a title with all markup characters": EXPORTED + "title LIKE '%&%<%>%\"%' AND strpos(title, '''') > 0",
    "a title with line breaks": EXPORTED + r"title ~ '\n' AND title ~ '\r\n' AND title ~ '\t'",
    "a title with U+0001": EXPORTED + r"title ~ '\u0001'",
    "a title with a vertical tab": EXPORTED + r"title ~ '\u000b'",
    "a title with U+FFFF": EXPORTED + r"title ~ '\uffff'",
    "a title with a backslash": EXPORTED + r"strpos(title, '\N') > 0",
    "a title of more than a thousand characters": EXPORTED + "length(title) > 1000",
    "an empty title": EXPORTED + "title = ''",
    "a name with markup": EXPORTED + "last_name ~ '&.*<'",
    "a name with a control character": EXPORTED + r"last_name ~ '\u000b'",
    "a name with an apostrophe and quotes": EXPORTED + "strpos(last_name, '''') > 0 AND strpos(first_name, '\"') > 0",
    "a name in one part": EXPORTED + "first_name = ''",
    "a very long name": EXPORTED + "length(last_name) > 100",
    "a comment with markup": EXPORTED + "comment ~ '<' ",
    "a comment with a line break": EXPORTED + r"comment ~ '\n'",
    "a comment with a control character": EXPORTED + r"comment ~ '\u0002'",
}


@pytest.fixture
def ledger(ledger: Engine, owned_ledger: Engine) -> Engine:
    """Returns the empty ledger in the role of its owner; only the owner may fill it."""
    return owned_ledger


@pytest.fixture(scope="module")
def library(postgres: Postgres) -> Iterator[Engine]:
    """Returns a ledger with the smallest library that has every case."""
    postgres.create_ledger("demo_library")
    engine = ledger_engine(postgres.url("demo_library", user=LEDGER_OWNER))
    migrate(engine)
    ledger_data.fill(engine, fines=200, seed=SEED, now=NOW)
    yield engine
    engine.dispose()


@pytest.mark.parametrize("condition", CASES.values(), ids=CASES)
def test_a_library_of_200_fines_has_every_case(library: Engine, condition: str) -> None:
    with library.connect() as connection:
        assert connection.scalar(text(FINES + condition), {"now": NOW})


def test_every_library_group_and_type_has_fines(library: Engine) -> None:
    fines = _rows(
        library, "SELECT owner_library, user_group, fine_fee_type FROM fines JOIN users ON users.id = user_id"
    )
    owners, groups, types = (set(column) for column in zip(*fines, strict=True))
    assert owners == {"MAIN", "LAW", "SCI", "MED", None}
    assert groups == {"UNDERGRADUATE", "GRADUATE", "STAFF", "FACULTY", "VISITOR"}
    assert types == {
        "OVERDUEFINE",
        "RECALLEDOVERDUEFINE",
        "DAMAGEDITEMFINE",
        "LOSTITEMREPLACEMENTFEE",
        "LOSTITEMPROCESSFEE",
        "LIBRARYCARDREPLACEMENT",
        "OTHER",
        "CREDIT",
    }


@pytest.mark.parametrize(
    ("code", "reasons"),
    [
        ("STUDENTS", set(SkipReason) - {*RARE_REASONS, "other_type"}),
        ("STAFF", {"disputed", "other_owner", "other_user_group"}),
        ("CREDITS", {"disputed", "other_type"}),
        ("MEDICAL", {"disputed", "too_young", "other_owner", "no_identifier"}),
    ],
)
def test_each_shipped_profile_exports_some_fines_and_skips_others(
    library: Engine, code: str, reasons: set[str]
) -> None:
    profiles, _ = load_profiles(INCLUDE / "profiles.examples", load_settings(INCLUDE / "bursar.yaml"))
    (profile,) = (profile for profile in profiles if profile.code == code)
    selection, _ = preview(library, profile, as_of=NOW, limit=0)
    assert selection.fines
    assert set(selection.skipped) >= reasons


def test_every_user_has_a_primary_id(library: Engine) -> None:
    assert not _rows(
        library, "SELECT id FROM users WHERE id NOT IN (SELECT user_id FROM identifiers WHERE type = 'userName')"
    )


def test_barcodes_have_14_digits(library: Engine) -> None:
    assert not _rows(library, r"SELECT barcode FROM items WHERE barcode !~ '^\d{14}$'")
    assert not _rows(library, r"SELECT value FROM identifiers WHERE type = '01' AND value !~ '^\d{14}$'")


def test_the_same_arguments_give_the_same_ledger_in_any_portions(
    library: Engine, ledger: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_data, "ROWS_AT_ONCE", 7)
    ledger_data.fill(ledger, fines=200, seed=SEED, now=NOW)
    assert _dump(ledger) == _dump(library)


def test_another_seed_gives_another_library_with_the_same_cases(library: Engine, ledger: Engine) -> None:
    ledger_data.fill(ledger, fines=200, seed=SEED + 1, now=NOW)
    assert _dump(ledger)["users"] != _dump(library)["users"]
    cases = "SELECT id, user_id, amount, created_at FROM fines WHERE id <= 100 ORDER BY id"
    assert _rows(ledger, cases) == _rows(library, cases)


@pytest.mark.parametrize("fines", [0, 1, 199, 5_000])
def test_the_ledger_has_the_requested_number_of_fines(ledger: Engine, fines: int) -> None:
    counts = ledger_data.fill(ledger, fines=fines, seed=SEED, now=NOW)
    assert counts["fines"] == fines
    assert {table: len(rows) for table, rows in _dump(ledger).items() if table in counts} == counts
    assert (counts["libraries"], counts["user_groups"]) == (4, 5)


def test_balances_of_the_demo_are_the_sums_of_the_journal(ledger: Engine) -> None:
    ledger_data.fill(ledger, fines=2_000, seed=SEED, now=NOW)
    assert not _rows(
        ledger,
        "SELECT fines.id FROM fines LEFT JOIN journal_entries ON fine_id = fines.id GROUP BY fines.id "
        "HAVING balance IS DISTINCT FROM sum(balance_change) OR last_transaction_at IS DISTINCT FROM max(posted_at) "
        "OR created_at IS DISTINCT FROM min(posted_at) OR (array_agg(entry_type ORDER BY journal_entries.id))[1] <> "
        "'CHARGED'",
    )


def test_moments_are_in_order_and_not_in_the_future(ledger: Engine) -> None:
    ledger_data.fill(ledger, fines=2_000, seed=SEED, now=NOW)
    assert _rows(ledger, "SELECT max(posted_at) <= '2026-03-10 14:30:15+00' FROM journal_entries") == [(True,)]
    assert not _rows(
        ledger,
        "SELECT 1 FROM journal_entries a JOIN journal_entries b ON a.fine_id = b.fine_id AND a.id < b.id WHERE "
        "a.posted_at > b.posted_at",
    )


def test_a_credit_has_the_user_and_amount_of_its_charge(ledger: Engine) -> None:
    ledger_data.fill(ledger, fines=2_000, seed=SEED, now=NOW)
    reversals = _rows(
        ledger,
        "SELECT (c.user_id = f.user_id AND c.currency = f.currency AND c.amount = -f.amount "
        "AND c.created_at > f.created_at AND f.fine_fee_type = 'LOSTITEMREPLACEMENTFEE') AS fits "
        "FROM fines c JOIN fines f ON f.id = c.reverses",
    )
    assert len(reversals) > 10
    assert all(row.fits for row in reversals)


def test_new_rows_get_ids_after_those_of_the_demo(ledger: Engine) -> None:
    counts = ledger_data.fill(ledger, fines=10, seed=SEED, now=NOW)
    with ledger.begin() as connection:
        user = "INSERT INTO users (last_name, user_group) VALUES ('New', 'STAFF') RETURNING id"
        assert connection.scalar(text(user)) == counts["users"] + 1
        fine: dict[str, Any] = {
            "user_id": 1,
            "fine_fee_type": "OTHER",
            "amount": Decimal(1),
            "currency": "USD",
            "created_at": NOW,
        }
        assert desk.add_fine(connection, **fine) == 11


def test_the_foreign_keys_are_restored(ledger: Engine) -> None:
    keys = (
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated "
        "FROM pg_constraint WHERE contype = 'f' ORDER BY 1, 2"
    )
    before = _rows(ledger, keys)
    ledger_data.fill(ledger, fines=10, seed=SEED, now=NOW)
    assert _rows(ledger, keys) == before
    assert len(before) >= 7


@pytest.mark.parametrize(
    "record",
    [
        "INSERT INTO user_groups VALUES ('STAFF', 'Staff')",
        "INSERT INTO libraries VALUES ('MAIN', '1', 'Main')",
        "INSERT INTO items (barcode) VALUES ('1')",
        "INSERT INTO user_groups VALUES ('A', 'A'); INSERT INTO users (last_name, user_group) VALUES ('A', 'A')",
    ],
)
def test_a_ledger_with_rows_is_not_filled(ledger: Engine, record: str) -> None:
    with ledger.begin() as connection:
        connection.execute(text(record))
    before = _dump(ledger)
    with pytest.raises(LedgerError, match="never mixes with real data"):
        ledger_data.fill(ledger, fines=10, seed=SEED, now=NOW)
    assert _dump(ledger) == before


def test_a_ledger_is_not_filled_twice(ledger: Engine) -> None:
    ledger_data.fill(ledger, fines=1, seed=SEED, now=NOW)
    with pytest.raises(LedgerError):
        ledger_data.fill(ledger, fines=1, seed=SEED, now=NOW)


def test_the_command_fills_the_ledger_of_the_connection(
    ledger: Engine, postgres: Postgres, empty_ledger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"conn_type": "postgres", "host": str(postgres.sockets), "login": LEDGER_OWNER, "schema": empty_ledger}
    monkeypatch.setenv("AIRFLOW_CONN_BURSAR_LEDGER", json.dumps(values))
    result = CliRunner().invoke(fill, ["--fines", "3"], catch_exceptions=False)
    assert result.output.startswith("The ledger has been filled. Libraries: 4, user groups: 5, users: ")
    assert "fines: 3," in result.output
    assert len(_dump(ledger)["fines"]) == 3


def _rows(engine: Engine, query: str) -> list[Row[Any]]:
    with engine.connect() as connection:
        return list(connection.execute(text(query)))


def _dump(engine: Engine) -> dict[str, list[Row[Any]]]:
    """Returns all rows of all tables in order."""
    tables = _rows(engine, "SELECT relname FROM pg_stat_user_tables ORDER BY 1")
    return {str(table): _rows(engine, f"SELECT * FROM {table} ORDER BY CAST({table} AS text)") for (table,) in tables}
