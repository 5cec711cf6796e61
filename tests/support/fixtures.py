"""Adds users, items and fines to the ledger of a test, and makes its profiles and settings."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from time import sleep
from typing import Any, LiteralString

import psycopg
from sqlalchemy import Engine, text
from sqlalchemy.pool import ConnectionPoolEntry

from bursar.ledger import desk
from bursar.ledger.batches import get_batch
from bursar.ledger.deliveries import DeliveryStep, advance_delivery, request_deliveries
from bursar.profiles import Profile, Settings
from demo.postgres import Postgres

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=100)


# Deleting a few rows takes a fraction of the time of TRUNCATE, which makes new files for each table and its indexes.
CLEAR = """
DO $$
DECLARE largest bigint; names text; deletions text;
BEGIN
    SELECT max(pg_relation_size(oid)), string_agg(oid::regclass::text, ', '),
           string_agg('DELETE FROM ' || oid::regclass, ';') FILTER (WHERE pg_relation_size(oid) > 0)
    INTO largest, names, deletions FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version';
    EXECUTE CASE WHEN largest < {limit} THEN deletions ELSE 'TRUNCATE ' || names END;
    PERFORM setval(seqrelid::regclass, seqstart, false) FROM pg_sequence;
    INSERT INTO transaction_ids (next) VALUES (1);
END $$
"""


def clear_ledger(ledger: Engine, *, anew: bool = False) -> None:
    """Deletes all rows of a ledger. If `anew`, the tables are new ones, without anything that influences a plan."""
    limit = 0 if anew else 1_000_000  # bytes
    with ledger.begin() as connection:
        connection.exec_driver_sql("SET LOCAL lock_timeout = '10s'")  # an earlier test may have left a session
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")  # else the journal refuses
        connection.exec_driver_sql(CLEAR.format(limit=limit))


def clear_session(session: psycopg.Connection[object] | None, record: ConnectionPoolEntry) -> None:
    """Makes a session that returns to its pool like a new one; closes it if that fails. None has been closed."""
    if session is None:
        return
    try:
        session.autocommit = True
        session.execute("DISCARD TEMP; RESET ALL; SELECT pg_advisory_unlock_all()")
        session.autocommit = False
    except psycopg.Error as error:
        record.invalidate(error)


def prepare_statements(session: psycopg.Connection[object], record: ConnectionPoolEntry) -> None:
    """Makes a session of the pool prepare what it repeats, like those of the tasks: planning takes most of its time."""
    session.prepare_threshold = 5


def end_sessions(postgres: Postgres, condition: LiteralString, *values: str) -> None:
    """Ends the sessions of which a condition is true, as a failover does, and waits until they have ended.

    PostgreSQL itself can wait, and would look at each session once in a tenth of a second.
    """
    with postgres.connect() as connection:
        ending = connection.execute(
            f"SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE {condition}", values
        ).fetchall()
        pids = [pid for pid, _ in ending]
        for _ in range(5000):
            if not connection.execute("SELECT FROM pg_stat_activity WHERE pid = ANY(%s)", [pids]).rowcount:
                return
            sleep(0.002)
    raise TimeoutError("sessions do not end")


def record_delivery(ledger: Engine, batch_id: int, step: DeliveryStep = "delivered", **facts: str) -> None:
    """Records a step of the first deliveries of a batch without uploading anything."""
    with ledger.begin() as connection:
        batch = get_batch(connection, batch_id, lock=True)
        for delivery in request_deliveries(connection, batch_id, "first", batch.run_id):
            advance_delivery(connection, delivery, step, after=delivery.state, **facts)


@dataclass
class Library:
    """Adds the rows that a test needs to its ledger; every call commits."""

    ledger: Engine

    def __post_init__(self) -> None:
        self._numbers = count(1)
        self._run(
            "INSERT INTO user_groups (code, name) VALUES ('STUDENT', 'Students'), ('STAFF', 'Staff');"
            "INSERT INTO libraries (code, id, name) VALUES ('MAIN', '161686070006761', 'Main Library'),"
            " ('LAW', '161686080006761', 'Law Library')"
        )

    def user(
        self,
        identifier: str | None = "auto",
        *,
        group: str = "STUDENT",
        last: str = "Beaver",
        first: str = "Tim",
        **extra: Any,
    ) -> int:
        """Adds a user with a primary id and, unless None, an identifier of type 02; returns the user's id."""
        number = next(self._numbers)
        identifiers = {"userName": f"user{number}", "02": f"{number:08}" if identifier == "auto" else identifier}
        with self.ledger.begin() as connection:
            user: int = connection.execute(
                text(
                    "INSERT INTO users (last_name, first_name, user_group, expiry_date, purge_date)"
                    " VALUES (:last, :first, :group, :expiry, :purge) RETURNING id"
                ),
                {
                    "last": last,
                    "first": first,
                    "group": group,
                    "expiry": extra.get("expiry"),
                    "purge": extra.get("purge"),
                },
            ).scalar_one()
            connection.execute(
                text("INSERT INTO identifiers VALUES (:user, :type, :value)"),
                [
                    {"user": user, "type": type_, "value": value}
                    for type_, value in identifiers.items()
                    if value is not None
                ],
            )
        return user

    def item(
        self, *, library: str = "MAIN", title: str = "Ecology of the saguaro /", call_number: str | None = "QK495"
    ) -> int:
        """Adds an item of a library; returns its id."""
        item: int = self._run(
            "INSERT INTO items (barcode, title, call_number, library, location, internal_location)"
            " VALUES (:barcode, :title, :call_number, :library, 'Stacks', 'Stacks') RETURNING id",
            barcode=f"{next(self._numbers):014}",
            title=title,
            call_number=call_number,
            library=library,
        )
        return item

    def fine(
        self,
        user: int | None = None,
        amount: str = "12.50",
        *,
        kind: str = "OVERDUEFINE",
        owner: str | None = "MAIN",
        item: int | None = None,
        created: datetime = LONG_AGO,
        currency: str = "USD",
        **extra: Any,
    ) -> int:
        """Adds a charge, or with a negative amount a credit; returns its id."""
        debtor = self.user() if user is None else user
        with self.ledger.begin() as connection:
            if Decimal(amount) < 0:
                return desk.credit(
                    connection,
                    user_id=debtor,
                    amount=-Decimal(amount),
                    currency=currency,
                    owner_library=owner,
                    item_id=item,
                    created_at=created,
                    **extra,
                )
            return desk.add_fine(
                connection,
                user_id=debtor,
                fine_fee_type=kind,
                amount=Decimal(amount),
                currency=currency,
                owner_library=owner,
                item_id=item,
                created_at=created,
                **extra,
            )

    def fines(self, count: int) -> None:
        """Adds so many charges of one user in one transaction, for tests that need a long file."""
        user = self.user()
        with self.ledger.begin() as connection:
            connection.execute(
                text(
                    "WITH added AS (INSERT INTO fines"
                    " (user_id, owner_library, fine_fee_type, currency, amount, created_at)"
                    " SELECT :user, 'MAIN', 'OVERDUEFINE', 'USD', 12.50, :created FROM generate_series(1, :count)"
                    " RETURNING id, amount, created_at)"
                    " INSERT INTO journal_entries (fine_id, entry_type, balance_change, posted_at)"
                    " SELECT id, 'CHARGED', amount, created_at FROM added"
                ),
                {"user": user, "created": LONG_AGO, "count": count},
            )

    def position(self, fine: int) -> tuple[str, Decimal, Decimal]:
        """Returns status, balance and outstanding amount of a fine."""
        with self.ledger.connect() as connection:
            row = connection.execute(
                text("SELECT status, balance, outstanding FROM fines WHERE id = :id"), {"id": fine}
            ).one()
        return row.status, row.balance, row.outstanding

    def one(self, sql: str, **values: Any) -> Any:
        """Returns the only value of a query."""
        with self.ledger.connect() as connection:
            return connection.execute(text(sql), values).scalar_one()

    def _run(self, sql: str, **values: Any) -> Any:
        with self.ledger.begin() as connection:
            result = connection.execute(text(sql), values) if values else connection.exec_driver_sql(sql)
            return result.scalar() if result.returns_rows else None


def make_profile(
    *, code: str = "STUDENTS", time_zone: str = "America/New_York", import_active: bool = True, **export: Any
) -> Profile:
    """Makes a profile that exports every fine of both libraries immediately; `export` changes its export section."""
    return Profile.model_validate(
        {
            "code": code,
            "name": f"{code.title()} accounts",
            "sftp_connection": "bursar_banner",
            "system": "Banner",
            "time_zone": time_zone,
            "export": {
                "active": True,
                "time_before_export_days": 0,
                "user_identifier_type": "02",
                "institutional_fine_fee": True,
                "libraries": ["MAIN", "LAW"],
                "output_file_path": "out",
                "schedule": "daily at 02:00",
            }
            | export,
            "import": {"active": True, "input_file_path": "in", "schedule": "daily at 06:00"}
            if import_active
            else {"active": False},
        }
    )


UNLIMITED = {"max_users": 10**9, "max_fines": 10**9, "max_amount": 10**9}
"""Limits beyond which no maintenance job of a test waits for an approval."""


def make_settings(**changes: Any) -> Settings:
    """Makes the settings of an institution; `changes` replaces or adds keys."""
    return Settings.model_validate(
        {
            "institution_name": "Saguaro University",
            "institution_id": "6761",
            "default_currency": "USD",
            "time_zone": "America/New_York",
        }
        | changes
    )
