"""Upgrades: a ledger with data in every table is migrated from the first revision to the newest, and keeps its data."""

import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, text

from bursar.db.engine import grant, ledger_engine, migrate
from bursar.exports.close import close_fines
from bursar.exports.recover import release_batch
from bursar.ledger.batches import BatchState, get_unfinished_batches
from demo.postgres import DAGS_ROLE, LEDGER_OWNER, Postgres, program_folder

DATA = Path(__file__).with_name("data_of_revision_0001.sql").read_text(encoding="utf-8")
FINES = {
    1: ("ACTIVE", "12.500", "0.000", "0.000"),
    2: ("DISPUTED", "5.000", "0.000", "0.000"),
    3: ("ACTIVE", "6.000", "0.000", "0.000"),
    4: ("CLOSED", "0.000", "0.000", "0.000"),
    5: ("CLOSED", "0.000", "20.000", "0.000"),
    6: ("TRANSFERRED", "0.000", "20.000", "0.000"),
    7: ("CLOSED", "0.000", "0.000", "8.000"),
    8: ("ACTIVE", "-3.000", "0.000", "0.000"),
    9: ("ACTIVE", "7.000", "0.000", "0.000"),
    10: ("ACTIVE", "9.125", "0.000", "0.000"),
    11: ("CLOSED", "0.000", "0.000", "0.000"),
    12: ("CLOSED", "0.000", "0.000", "0.000"),
    13: ("ACTIVE", "11.000", "0.000", "0.000"),
}
"""Status, balance, outstanding and pending reversal of each fine."""
BATCHES = {1: "CLOSED", 2: "DELIVERED", 3: "UPLOADING", 4: "CLOSED", 5: "DRY_RUN", 6: "RELEASED", 7: "UNCLEAR"}


@pytest.fixture(scope="module")
def upgraded_ledger(postgres: Postgres) -> Iterator[Engine]:
    """Creates a ledger with data of revision 0001, and upgrades it; returns its engine in the role of the owner."""
    postgres.create_ledger("upgraded")
    engine = ledger_engine(postgres.url("upgraded", user=LEDGER_OWNER))
    migrate(engine, "0001")
    with psycopg.connect(host=str(postgres.sockets), user=LEDGER_OWNER, dbname="upgraded") as connection:
        connection.execute(DATA)
        empty = [
            name
            for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            if not connection.execute(f"SELECT FROM {name} LIMIT 1").rowcount
        ]
    assert empty == []
    migrate(engine)
    yield engine
    engine.dispose()


def dump_ledger(postgres: Postgres) -> list[str]:
    """Returns the output of pg_dump for the ledger."""
    command = [str(program_folder() / "pg_dump"), "--host", str(postgres.sockets), "--username", "postgres", "upgraded"]
    text_ = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603
    return [line for line in text_.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]


def test_fines_keep_their_amounts_which_are_sums_of_the_journal(upgraded_ledger: Engine) -> None:
    with upgraded_ledger.connect() as connection:
        fines = connection.execute(text("SELECT id, status, balance, outstanding, pending_reversal FROM fines")).all()
        sums = connection.execute(
            text(
                "SELECT fine_id, sum(balance_change), sum(outstanding_change), sum(reversal_change)"
                " FROM journal_entries GROUP BY fine_id"
            )
        ).all()
    assert {fine.id: (fine.status, *map(str, fine[2:])) for fine in fines} == FINES
    assert {fine: tuple(map(str, of_fine)) for fine, *of_fine in sums} == {id_: fine[1:] for id_, fine in FINES.items()}


def test_batches_keep_their_states_and_claims(upgraded_ledger: Engine) -> None:
    with upgraded_ledger.connect() as connection:
        states = connection.execute(text("SELECT id, state FROM batches_with_state")).all()
        claims = connection.execute(text("SELECT fine_id, batch_id FROM batch_claims")).all()
        resends = connection.execute(text("SELECT batch_id, state FROM deliveries WHERE kind = 'resend'")).all()
        unfinished = [batch.id for batch in get_unfinished_batches(connection)]
    assert dict(map(tuple, states)) == BATCHES
    assert dict(map(tuple, claims)) == {9: 2, 10: 3, 13: 7}
    assert list(map(tuple, resends)) == [(1, "DELIVERED")]
    assert unfinished == [2, 3, 7]


def test_each_batch_with_fines_has_its_file_and_its_deliveries_are_of_it(upgraded_ledger: Engine) -> None:
    with upgraded_ledger.connect() as connection:
        files = connection.execute(text("SELECT batch_id, number, fines FROM batch_files")).all()
        batches = connection.execute(text("SELECT id, 1, fines FROM batches WHERE fines > 0")).all()
        sizes = connection.execute(
            text(
                "SELECT deliveries.file_size = batch_files.file_size AND deliveries.sha256 = batch_files.sha256"
                " FROM deliveries JOIN batch_files USING (batch_id) WHERE upload_started_at IS NOT NULL"
            )
        ).scalars()
    assert sorted(map(tuple, files)) == sorted(map(tuple, batches))
    assert set(sizes) == {True}


def test_payments_keep_their_outcomes(upgraded_ledger: Engine) -> None:
    with upgraded_ledger.connect() as connection:
        records = connection.execute(text("SELECT fine_id, outcome, applied FROM import_records ORDER BY number")).all()
        states = connection.execute(text("SELECT state FROM import_files ORDER BY id")).scalars().all()
    assert list(map(tuple, records)) == [(6, "PARTLY_PAID", Decimal(10)), (None, "UNMATCHED", None)]
    assert states == ["APPLIED", "REJECTED"]


def test_a_repeated_upgrade_changes_nothing(postgres: Postgres, upgraded_ledger: Engine) -> None:
    before = dump_ledger(postgres)
    migrate(upgraded_ledger)
    assert dump_ledger(postgres) == before


def test_batches_can_be_closed_and_released_after_the_upgrade(postgres: Postgres, upgraded_ledger: Engine) -> None:
    """The test changes the ledger, so it is the last one of the module."""
    grant(upgraded_ledger, DAGS_ROLE)
    engine = ledger_engine(postgres.url("upgraded", user=DAGS_ROLE))
    assert close_fines(engine, 2).state is BatchState.CLOSED
    assert release_batch(engine, 7, confirmed_not_received=True).state is BatchState.RELEASED
    with engine.connect() as connection:
        fines = connection.execute(text("SELECT id, balance, outstanding FROM fines WHERE id IN (9, 13)")).all()
        claims = connection.execute(text("SELECT fine_id FROM batch_claims")).scalars().all()
    assert sorted(map(tuple, fines)) == [(9, 0, 7), (13, 11, 0)]
    assert claims == [10]
