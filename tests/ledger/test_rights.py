"""The role of the DAGs: it can do what the statements do, which all tests of the ledger show, and nothing else."""

import re
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError

from bursar.errors import LedgerError
from bursar.ledger.connection import grant
from bursar.ledger.statements import FOLDER
from tests.conftest import DAGS_ROLE
from tests.library import Library

PLUGINS = Path(__file__).parents[2] / "plugins"
RIGHTS = text(
    "SELECT relname, string_agg(privilege_type, ' ' ORDER BY privilege_type) FROM ("
    "  SELECT relname, (aclexplode(relacl)).* FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    "  UNION ALL SELECT relname, (aclexplode(attacl)).* FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
    ") AS rights WHERE grantee = CAST(:role AS regrole) GROUP BY relname"
)
NEEDED_BY = {
    "SELECT": r"(FROM|JOIN|,|USING)\s+{table}\b|RETURNING",
    "INSERT": r"(INSERT INTO |copying_into\(connection, f?\"){table}\b",
    "UPDATE": r"UPDATE {table}\b|INSERT INTO {table}\b[^;]*DO UPDATE|FROM {table}\b[^;]*FOR UPDATE",
    "DELETE": r"DELETE FROM {table}\b",
    "MAINTAIN": r"LOCK TABLE {table}\b",
    "USAGE": r"nextval\(pg_get_serial_sequence\('{table}', 'id'\)\)",
}
"""How the text of a statement shows that it needs a right on a table."""


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE mine (id int)",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE SCHEMA mine",
        "ALTER TABLE journal DISABLE TRIGGER ALL",
        "ALTER TABLE fines ADD COLUMN mine int",
        "DROP TABLE journal",
        "DROP TRIGGER journal_is_append_only ON journal",
        "ALTER FUNCTION journal_is_append_only() RENAME TO mine",
        "SET session_replication_role = replica",
        "SET ROLE postgres",
        "UPDATE journal SET balance_change = 0",
        "DELETE FROM journal",
        "TRUNCATE journal",
        "UPDATE fines SET balance = 0",
        "UPDATE fines SET outstanding = 0",
        "UPDATE fines SET status = 'CLOSED'",
        "DELETE FROM fines",
        "UPDATE lines SET amount = 0",
        "DELETE FROM lines",
        "DELETE FROM batches",
        "DELETE FROM import_files",
        "TRUNCATE claims",
        "DELETE FROM transaction_ids",
        "UPDATE alembic_version SET version_num = '0000'",
    ],
)
def test_what_no_statement_needs_is_refused(library: Library, sql: str) -> None:
    fine = library.fine(amount="12.50")

    with pytest.raises(ProgrammingError, match="permission denied|must be owner"), library.ledger.begin() as connection:
        connection.exec_driver_sql(sql)

    assert str(library.position(fine)[1]) == "12.500"


def test_every_right_is_needed_by_a_statement(owned_ledger: Engine) -> None:
    files = [path for path in FOLDER.rglob("*.sql") if FOLDER / "schema" not in path.parents]
    files += PLUGINS.rglob("*.py")
    statements = "\n;\n".join(path.read_text(encoding="utf-8") for path in files)
    with owned_ledger.connect() as connection:
        rights = {name: privileges.split() for name, privileges in connection.execute(RIGHTS, {"role": DAGS_ROLE})}
    idle = [
        f"{privilege} on {name}"
        for name, privileges in rights.items()
        for privilege in privileges
        if not re.search(NEEDED_BY[privilege].format(table=name.removesuffix("_id_seq")), statements)
    ]

    assert len(rights) > 10
    assert idle == []


def test_a_right_that_was_given_by_hand_is_taken_back(owned_ledger: Engine) -> None:
    with owned_ledger.begin() as connection:
        connection.exec_driver_sql(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {DAGS_ROLE}")

    grant(owned_ledger, DAGS_ROLE)

    with owned_ledger.connect() as connection:
        rights = dict(map(tuple, connection.execute(RIGHTS, {"role": DAGS_ROLE})))
    assert rights["journal"] == "INSERT SELECT"


def test_a_role_that_does_not_exist_is_refused_by_name(owned_ledger: Engine) -> None:
    with pytest.raises(LedgerError, match="The rights of \"o'brien\" can't be set"):
        grant(owned_ledger, '"o\'brien"')
