"""The rights of the DAGs' role: those that the statements need, which all tests of the ledger show, and no others.

The module is long because the list of forbidden statements is.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from bursar.db.engine import grant
from bursar.db.queries import FOLDER
from bursar.errors import LedgerError
from demo.postgres import DAGS_ROLE, LEDGER_OWNER, Postgres
from tests.support.fixtures import Library

PLUGINS = Path(__file__).parents[2] / "plugins"
RIGHTS = text(
    "SELECT name, attribute, privilege_type FROM ("
    "  SELECT relname AS name, NULL AS attribute, (aclexplode(relacl)).* FROM pg_class"
    "  WHERE relnamespace = 'public'::regnamespace"
    "  UNION ALL SELECT relname, attname, (aclexplode(attacl)).* FROM pg_attribute"
    "  JOIN pg_class ON pg_class.oid = attrelid WHERE relnamespace = 'public'::regnamespace"
    "  UNION ALL SELECT proname, NULL, (aclexplode(proacl)).* FROM pg_proc"
    "  WHERE pronamespace = 'public'::regnamespace"
    ") AS rights WHERE grantee = CAST(:role AS regrole)"
)
NEEDED_BY = {
    "SELECT": r"(FROM|JOIN|,|USING)\s+{name}\b|RETURNING",
    "INSERT": r"(INSERT INTO |copy_into\(connection, f?\"){name}\b",
    "DELETE": r"DELETE FROM {name}\b",
    "MAINTAIN": r"LOCK TABLE {name}\b",
    "USAGE": r"nextval\(pg_get_serial_sequence\('{name}', 'id'\)\)",
    "EXECUTE": r"\b{name}\(",
}
"""Patterns of statements that need a right on a table, a sequence or a function."""
NEEDED_FOR_COLUMN = {
    "INSERT": r"INSERT INTO {name}\s*\([^)]*\b{column}\b",
    "UPDATE": r"(UPDATE {name}\b|INSERT INTO {name}\b[^;]*DO UPDATE)[^;]*\bSET\b[^;]*\b{column} =",
}
STEP_CALLS = {"batches": r"\badvance\((.*?)\)", "deliveries": r"\badvance_delivery\((.*?)\)"}
"""Patterns of calls that record the steps of a batch or of a delivery; their statements get the columns at run time."""

NEW_FINE = (
    "INSERT INTO fines (user_id, fine_fee_type, currency, amount, created_at, {})"
    " SELECT id, 'X', 'USD', 5, now(), {} FROM users"
)
TABLE_LIKE_THE_JOURNAL = (
    "CREATE TEMPORARY TABLE mine (id bigint, fine_id bigint, entry_type text, balance_change {type},"
    " outstanding_change numeric, reversal_change numeric, at timestamptz, batch_id bigint)"
)
TRIGGER_OF_THE_TABLE = (
    "CREATE TRIGGER mine AFTER INSERT ON mine REFERENCING NEW TABLE AS entries"
    " FOR EACH STATEMENT EXECUTE FUNCTION apply_journal_entries()"
)


@pytest.fixture
def connection(library: Library) -> Iterator[Connection]:
    """Opens a transaction of the DAGs' role in a ledger with a fine of 12.50; rolls it back."""
    library.fine(amount="12.50")
    with library.ledger.connect() as connection:
        yield connection


@pytest.mark.parametrize(
    "sql",
    [
        # Objects of the ledger
        "CREATE TABLE mine (id int)",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TYPE mine AS ENUM ('x')",
        "CREATE OPERATOR public.+ (FUNCTION = numeric_sub, LEFTARG = numeric, RIGHTARG = numeric)",
        "CREATE SCHEMA mine",
        "CREATE PUBLICATION mine FOR TABLE fines",
        "CREATE EVENT TRIGGER mine ON ddl_command_end EXECUTE FUNCTION reject_changes_of_journal()",
        "CREATE TRIGGER mine BEFORE INSERT ON journal_entries EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "CREATE RULE mine AS ON INSERT TO journal_entries DO INSTEAD NOTHING",
        "CREATE INDEX ON fines (amount)",
        "CREATE STATISTICS mine ON amount, currency FROM fines",
        "CREATE TEMPORARY TABLE mine () INHERITS (fines)",
        "ALTER TABLE journal_entries DISABLE TRIGGER ALL",
        "ALTER TABLE journal_entries OWNER TO bursar",
        "ALTER TABLE fines ADD COLUMN mine int",
        "ALTER SEQUENCE batches_id_seq RESTART",
        "DROP TABLE journal_entries",
        "DROP TRIGGER reject_changes_of_journal ON journal_entries",
        "DROP VIEW fines_lock",
        "CREATE OR REPLACE VIEW fines_lock AS SELECT id FROM fines WHERE false",
        "ALTER FUNCTION reject_changes_of_journal() RENAME TO mine",
        "ALTER FUNCTION apply_journal_entries() RESET search_path",
        "CREATE OR REPLACE FUNCTION xml_text(value text) RETURNS text LANGUAGE sql AS 'SELECT value'",
        "SELECT subtract_payment(0, 0, 0, 0, 0, 0, 0, 0)",
        # Rights and roles
        "GRANT EXECUTE ON FUNCTION apply_journal_entries() TO bursar",
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {LEDGER_OWNER} GRANT ALL ON TABLES TO bursar",
        f"GRANT {LEDGER_OWNER} TO bursar",
        "ALTER ROLE bursar SUPERUSER",
        "CREATE ROLE mine",
        "SET ROLE postgres",
        f"SET ROLE {LEDGER_OWNER}",
        f"SET SESSION AUTHORIZATION {LEDGER_OWNER}",
        "SET session_replication_role = replica",
        # The server
        "SELECT pg_reload_conf()",
        "COPY fines TO PROGRAM 'true'",
        "COPY fines TO '/tmp/mine'",
        "COPY identifiers FROM '/etc/passwd'",
        "SELECT pg_read_file('PG_VERSION')",
        "SELECT pg_ls_dir('.')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT lo_export(1, '/tmp/mine')",
        "SELECT lo_create(0)",
        "SELECT lo_creat(-1)",
        "SELECT lo_from_bytea(0, 'mine')",
        # The journal, and the amounts that are its sums
        "UPDATE journal_entries SET balance_change = 0",
        "DELETE FROM journal_entries",
        "TRUNCATE journal_entries",
        "INSERT INTO journal_entries (id, fine_id, entry_type) OVERRIDING SYSTEM VALUE SELECT 7, id, 'PAID' FROM fines",
        "SELECT setval('journal_entries_id_seq', 1)",
        "SELECT nextval('journal_entries_id_seq')",
        "UPDATE fines SET balance = 0",
        "UPDATE fines SET outstanding = 0",
        "UPDATE fines SET pending_reversal = 0",
        "UPDATE fines SET status = 'CLOSED'",
        NEW_FINE.format("balance", 5),
        NEW_FINE.format("outstanding", 5),
        NEW_FINE.format("status", "'CLOSED'"),
        "DELETE FROM fines",
        "SELECT FROM fines_lock",
        "INSERT INTO fines_lock OVERRIDING SYSTEM VALUE VALUES (7)",
        "DELETE FROM fines_lock",
        # Locks and maintenance
        "LOCK TABLE fines IN ACCESS EXCLUSIVE MODE",
        "LOCK TABLE fines IN EXCLUSIVE MODE",
        "LOCK TABLE journal_entries IN SHARE MODE",
        "REINDEX TABLE fines",
        "CLUSTER fines USING fines_user_id",
        # Exported and imported data, and answers
        "UPDATE batch_lines SET amount = 0",
        "UPDATE batch_lines SET fine_id = 7",
        "DELETE FROM batch_lines",
        "UPDATE batches SET totals = '{}'",
        "UPDATE batches SET fines = 0",
        "UPDATE batches SET profile = 'OTHER'",
        "UPDATE batches SET output_file_path = 'mine'",
        "UPDATE batch_files SET file_name = 'mine'",
        "UPDATE batch_files SET kinds = '{}'",
        "DELETE FROM batch_files",
        "UPDATE deliveries SET file_number = 2",
        "UPDATE batches SET dry_run = true",
        "DELETE FROM batches",
        "SELECT setval('batches_id_seq', 1)",
        "UPDATE deliveries SET requested_by = 'somebody'",
        "DELETE FROM deliveries",
        "UPDATE closed_partitions SET fines = 0",
        "DELETE FROM closed_partitions",
        "TRUNCATE batch_claims",
        "UPDATE batch_claims SET batch_id = 7",
        "UPDATE transaction_ids SET singleton = true",
        "DELETE FROM transaction_ids",
        "UPDATE import_files SET sha256 = 'mine'",
        "DELETE FROM import_files",
        "UPDATE import_records SET sum = '0'",
        "DELETE FROM file_arrivals",
        "UPDATE approvals SET reasons = '{}'",
        "DELETE FROM approvals",
        "UPDATE approvals SET requested_by = NULL",
        "UPDATE rejected_answers SET answered_by = NULL",
        "DELETE FROM rejected_answers",
        "UPDATE journal_entries SET posted_by = NULL",
        "UPDATE batches SET requested_by = NULL",
        "UPDATE maintenance_jobs SET requested_by = NULL",
        "DELETE FROM sent_notifications",
        "UPDATE maintenance_jobs SET fines = 0",
        "DELETE FROM maintenance_job_results",
        "UPDATE identifiers SET value = 'mine'",
        "DELETE FROM users",
        "DELETE FROM items",
        "UPDATE alembic_version SET version_num = '0000'",
    ],
)
def test_a_statement_without_a_right_is_refused(connection: Connection, sql: str) -> None:
    with pytest.raises(ProgrammingError) as refused:
        connection.exec_driver_sql(sql)

    assert isinstance(refused.value.orig, InsufficientPrivilege)


@pytest.mark.parametrize("sql", ["ALTER SYSTEM SET fsync = off", "CREATE DATABASE mine", "DROP DATABASE postgres"])
def test_a_statement_that_changes_the_server_is_refused(library: Library, sql: str) -> None:
    engine = library.ledger.execution_options(isolation_level="AUTOCOMMIT")
    with pytest.raises(ProgrammingError) as refused, engine.connect() as connection:
        connection.exec_driver_sql(sql)

    assert isinstance(refused.value.orig, InsufficientPrivilege)


def test_the_role_can_not_grant_itself_a_right(connection: Connection) -> None:
    """PostgreSQL only issues a warning."""
    before = set(connection.execute(RIGHTS, {"role": DAGS_ROLE}))
    connection.exec_driver_sql(f"GRANT ALL ON journal_entries, fines, batches TO {DAGS_ROLE}, PUBLIC")
    assert set(connection.execute(RIGHTS, {"role": DAGS_ROLE})) == before
    assert connection.execute(RIGHTS, {"role": "-"}).all() == []


@pytest.mark.parametrize("command", ["VACUUM fines", "ANALYZE fines", "VACUUM fines_lock"])
def test_vacuum_and_analyze_are_skipped(library: Library, command: str) -> None:
    notices: list[str | None] = []
    with library.ledger.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        driver.add_notice_handler(lambda notice: notices.append(notice.message_primary))
        connection.exec_driver_sql(command)

    [notice] = notices
    assert re.search(r"permission denied to (vacuum|analyze) .*skipping it|skipping \"fines_lock\"", str(notice))


class TestTriggerFunctionOfTheJournal:
    """The function runs with the rights of the ledger's owner."""

    def test_the_role_can_not_use_it_for_another_table(self, connection: Connection) -> None:
        connection.exec_driver_sql(TABLE_LIKE_THE_JOURNAL.format(type="numeric"))
        with pytest.raises(ProgrammingError, match="permission denied for function apply_journal_entries"):
            connection.exec_driver_sql(TRIGGER_OF_THE_TABLE)

    @pytest.mark.parametrize(("amount", "value"), [("numeric", "-5"), ("pg_temp.amount", "'x'")])
    def test_it_refuses_another_table_even_with_the_right_to_execute_it(
        self, connection: Connection, owned_ledger: Engine, amount: str, value: str
    ) -> None:
        """The implicit cast of the second type would run code of the caller with the rights of the owner."""
        with owned_ledger.begin() as owner:
            owner.exec_driver_sql(f"GRANT EXECUTE ON FUNCTION apply_journal_entries() TO {DAGS_ROLE}")
        connection.exec_driver_sql("CREATE TYPE pg_temp.amount AS ENUM ('x')")
        connection.exec_driver_sql(
            "CREATE FUNCTION pg_temp.run(pg_temp.amount) RETURNS numeric LANGUAGE plpgsql AS $$"
            f" BEGIN GRANT ALL ON public.journal_entries TO {DAGS_ROLE}; RETURN -5; END $$"
        )
        connection.exec_driver_sql("CREATE CAST (pg_temp.amount AS numeric) WITH FUNCTION pg_temp.run AS IMPLICIT")
        connection.exec_driver_sql(TABLE_LIKE_THE_JOURNAL.format(type=amount))
        connection.exec_driver_sql(TRIGGER_OF_THE_TABLE)
        try:
            with pytest.raises(ProgrammingError, match="the trigger function of public.journal_entries, not of mine"):
                connection.exec_driver_sql(f"INSERT INTO mine SELECT 1, id, 'PAID', {value}, 0, 0, now() FROM fines")
        finally:
            connection.rollback()
            grant(owned_ledger, DAGS_ROLE)

    def test_it_refuses_another_table_of_the_owner(self, owned_ledger: Engine) -> None:
        with owned_ledger.connect() as connection:
            connection.exec_driver_sql(TABLE_LIKE_THE_JOURNAL.format(type="numeric"))
            connection.exec_driver_sql(TRIGGER_OF_THE_TABLE)
            with pytest.raises(ProgrammingError, match="the trigger function of public.journal_entries, not of mine"):
                connection.exec_driver_sql("INSERT INTO mine (fine_id) VALUES (1)")

    def test_temporary_tables_do_not_replace_those_of_the_ledger(self, connection: Connection) -> None:
        connection.exec_driver_sql("INSERT INTO batch_claims (fine_id, batch_id) SELECT id, 7 FROM fines")
        connection.exec_driver_sql("CREATE TEMPORARY TABLE fines AS SELECT * FROM fines")
        connection.exec_driver_sql("CREATE TEMPORARY TABLE batch_claims (LIKE public.batch_claims)")
        connection.exec_driver_sql("SET LOCAL search_path = pg_temp, public")
        with pytest.raises(DBAPIError, match="is on its way to the bursar in batch 7"):
            connection.exec_driver_sql(
                "INSERT INTO public.journal_entries (fine_id, entry_type, balance_change) SELECT id, 'PAID', -5 FROM "
                "fines"
            )

    def test_own_operators_and_functions_do_not_replace_those_of_postgresql(self, connection: Connection) -> None:
        connection.exec_driver_sql(
            "CREATE OPERATOR pg_temp.+ (FUNCTION = numeric_sub, LEFTARG = numeric, RIGHTARG = numeric)"
        )
        connection.exec_driver_sql("CREATE AGGREGATE pg_temp.sum(numeric) (SFUNC = numeric_sub, STYPE = numeric)")
        connection.exec_driver_sql("SET LOCAL search_path = pg_temp, public, pg_catalog")
        connection.exec_driver_sql(
            "INSERT INTO public.journal_entries (fine_id, entry_type, balance_change) SELECT id, 'PAID', -5 FROM fines"
        )
        assert str(connection.exec_driver_sql("SELECT balance FROM fines").scalar_one()) == "7.500"


def test_a_temporary_table_does_not_make_a_deleted_user_usable(connection: Connection) -> None:
    connection.exec_driver_sql("UPDATE users SET deleted_at = now()")
    connection.exec_driver_sql("CREATE TEMPORARY TABLE users AS SELECT id, NULL::timestamptz AS deleted_at FROM users")
    connection.exec_driver_sql("SET LOCAL search_path = pg_temp, public")
    with pytest.raises(DBAPIError, match="was deleted"):
        connection.exec_driver_sql(
            "INSERT INTO public.journal_entries (fine_id, entry_type, balance_change) SELECT id, 'PAID', -5 FROM fines"
        )


def test_the_next_transaction_id_can_not_decrease(connection: Connection) -> None:
    connection.exec_driver_sql("UPDATE transaction_ids SET next = next + 7")
    with pytest.raises(DBAPIError, match="can only increase"):
        connection.exec_driver_sql("UPDATE transaction_ids SET next = next - 1")


def test_functions_are_not_public_and_have_a_fixed_search_path(
    owned_ledger: Engine,
) -> None:
    with owned_ledger.connect() as connection:
        connection.exec_driver_sql("CREATE FUNCTION new_one() RETURNS int LANGUAGE sql AS 'SELECT 1'")
        functions = connection.exec_driver_sql(
            "SELECT proname, prosecdef, proconfig, rolsuper, EXISTS ("
            "  SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE grantee = 0) AS is_open"
            " FROM pg_proc JOIN pg_roles ON pg_roles.oid = proowner WHERE pronamespace = 'public'::regnamespace"
        ).all()

    assert {function.proname for function in functions} >= {
        "apply_journal_entries",
        "remaining_after_payments",
        "new_one",
    }
    assert [function.proname for function in functions if function.is_open] == []
    assert [function.proname for function in functions if function.rolsuper] == []
    security_definers = {function.proname: function.proconfig for function in functions if function.prosecdef}
    assert security_definers == {"apply_journal_entries": ["search_path=pg_catalog, public, pg_temp"]}


def test_every_right_is_needed_by_a_statement(owned_ledger: Engine) -> None:
    files = [path for path in FOLDER.rglob("*.sql") if FOLDER / "schema" not in path.parents]
    files += PLUGINS.rglob("*.py")
    statements = "\n;\n".join(path.read_text(encoding="utf-8") for path in files)
    with owned_ledger.connect() as connection:
        rights = connection.execute(RIGHTS, {"role": DAGS_ROLE}).all()

    def is_needed(name: str, column: str | None, privilege: str) -> bool:
        name = name.removesuffix("_id_seq")
        if column is None:
            return privilege != "UPDATE" and bool(re.search(NEEDED_BY[privilege].format(name=name), statements))
        calls = re.findall(STEP_CALLS[name], statements, re.DOTALL) if name in STEP_CALLS else []
        columns = {f"{step}_at" for call in calls for step in re.findall(r'"(\w+)"', call)}
        columns |= {fact for call in calls for fact in re.findall(r"(\w+)=", call)}
        pattern = NEEDED_FOR_COLUMN[privilege].format(name=name, column=column)
        return column in columns or bool(re.search(pattern, statements))

    assert len(rights) > 100
    assert [tuple(right) for right in rights if not is_needed(*right)] == []


def test_a_manually_granted_right_is_revoked(owned_ledger: Engine) -> None:
    with owned_ledger.begin() as connection:
        before = set(connection.execute(RIGHTS, {"role": DAGS_ROLE}))
        for objects in ("TABLES", "SEQUENCES", "ROUTINES"):
            for role in (DAGS_ROLE, "PUBLIC"):
                connection.exec_driver_sql(f"GRANT ALL ON ALL {objects} IN SCHEMA public TO {role}")
        connection.exec_driver_sql("GRANT CREATE ON SCHEMA public TO PUBLIC")

    grant(owned_ledger, DAGS_ROLE)

    with owned_ledger.connect() as connection:
        assert set(connection.execute(RIGHTS, {"role": DAGS_ROLE})) == before
        assert connection.execute(RIGHTS, {"role": "-"}).all() == []


def test_an_unknown_role_is_an_error(owned_ledger: Engine) -> None:
    with pytest.raises(LedgerError, match='PostgreSQL has no role "o\'brien"'):
        grant(owned_ledger, '"o\'brien"')


@pytest.mark.parametrize(
    ("grant_sql", "revoke_sql", "reason"),
    [
        ("ALTER ROLE other SUPERUSER", "ALTER ROLE other NOSUPERUSER", "it is a superuser. Use a plain role"),
        (f"GRANT {LEDGER_OWNER} TO other WITH INHERIT FALSE", f"REVOKE {LEDGER_OWNER} FROM other", "a member of that"),
        ("GRANT pg_execute_server_program TO other", "REVOKE pg_execute_server_program FROM other", "predefined role"),
        (
            "ALTER SCHEMA public OWNER TO postgres; GRANT CREATE ON SCHEMA public TO other",
            "REVOKE CREATE ON SCHEMA public FROM other; ALTER SCHEMA public OWNER TO pg_database_owner",
            "it may create objects in the schema public. Revoke CREATE",
        ),
    ],
)
def test_a_role_with_unlimited_rights_is_refused(
    postgres: Postgres, owned_ledger: Engine, grant_sql: str, revoke_sql: str, reason: str
) -> None:
    postgres.create_role("other")
    with postgres.connect(str(owned_ledger.url.database)) as superuser:
        superuser.execute(grant_sql)
        try:
            with pytest.raises(
                LedgerError, match=f"The rights of other can't be limited .*{reason}.*No right was changed"
            ):
                grant(owned_ledger, "other")
        finally:
            superuser.execute(revoke_sql)

    with owned_ledger.connect() as connection:
        assert connection.execute(RIGHTS, {"role": "other"}).all() == []


def test_the_owner_of_the_ledger_can_not_be_the_role_of_the_dags(owned_ledger: Engine) -> None:
    with pytest.raises(LedgerError, match="it is the owner of the ledger"):
        grant(owned_ledger, LEDGER_OWNER)
