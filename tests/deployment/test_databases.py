"""deploy/postgres/databases.sql creates a ledger that belongs to a plain role, with the rights of the embedded one."""

import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from bursar.db.engine import grant, ledger_engine, migrate
from cluster.compose import PROJECT
from demo.postgres import DAGS_ROLE, LEDGER_OWNER, Postgres, embedded_postgres, program_folder

PASSWORDS = {"AIRFLOW_DATABASE_PASSWORD": "a", "LEDGER_OWNER_PASSWORD": "b", "LEDGER_PASSWORD": "c"}
RIGHTS_OF_ROLES = text(
    "SELECT role, has_database_privilege(role, current_database(), 'CREATE') AS creates,"
    " has_database_privilege(role, current_database(), 'TEMPORARY') AS makes_temporary_tables,"
    " has_schema_privilege(role, 'public', 'CREATE') AS creates_tables,"
    " has_function_privilege(role, 'lo_create(oid)', 'EXECUTE') AS creates_large_objects"
    " FROM unnest(ARRAY['ledger_owner', 'bursar']) AS role"
)


def rights(server: Postgres) -> set[tuple[object, ...]]:
    engine = ledger_engine(server.url("ledger"))
    with engine.connect() as connection:
        return {tuple(row) for row in connection.execute(RIGHTS_OF_ROLES)}


def test_the_owner_can_migrate_and_the_dags_can_only_do_what_they_need(postgres: Postgres, empty_ledger: str) -> None:
    with TemporaryDirectory(prefix="bursar-tests-") as folder, embedded_postgres(Path(folder)) as server:
        psql = [str(program_folder() / "psql"), "-h", str(server.sockets), "-U", "postgres", "-X", "-q"]
        file = PROJECT / "deploy" / "postgres" / "databases.sql"
        subprocess.run([*psql, "-f", str(file)], env=os.environ | PASSWORDS, check=True)  # noqa: S603  a command of ours
        owner = ledger_engine(server.url("ledger", user=LEDGER_OWNER))
        migrate(owner)
        grant(owner, DAGS_ROLE)

        with server.connect() as superuser:
            roles = superuser.execute("SELECT rolname, rolsuper FROM pg_roles WHERE rolname !~ '^pg_'").fetchall()
        dags = ledger_engine(server.url("ledger", user=DAGS_ROLE))
        with dags.connect() as connection, pytest.raises(ProgrammingError, match="permission denied for table fines"):
            connection.execute(text("UPDATE fines SET balance = 0"))
        assert set(roles) == {("postgres", True), ("airflow", False), (LEDGER_OWNER, False), (DAGS_ROLE, False)}
        assert (
            rights(server)
            == rights(postgres)
            == {
                (LEDGER_OWNER, True, True, True, False),
                (DAGS_ROLE, False, True, False, False),
            }
        )
