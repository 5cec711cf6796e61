"""The one gate into the ledger: loads users and fines from a source, row by row, in one transaction.

Rows are copied unchanged into staging tables, which SQL statements check and compare with the source's earlier rows
(include/sql/sources). A good row is loaded. A bad one is rejected, and counted; beyond a limit nothing is loaded, since
it is the wrong file. What a row may change depends on where its fine is: docs/reference/loading.md has the rules.

Three locks are taken, always in this order, so that no two workers wait for each other:

1. `lock_source` (bursar.sources.source_lock): one run or command loads a source at a time, so that an older file is not
   loaded after a newer one. It is held by a connection of its own while files are fetched, loaded and moved. Nobody
   waits for it: a TransientError ends the second one. Files that a person names, and dry runs, do not take it.
2. `lock_loads`: one load at a time, of whatever source. It is held for the whole transaction of a load, also of a dry
   run. Deletion and purge of users take it too, so that no load gives identifiers to a deleted user.
3. `lock_fines_table`: blocks whatever else changes a balance: the desk, exports, imports, waiving, deletion, purge. A
   load holds it only while the changes are decided and written; staging and checks come before it. Only a load that
   adopts fines takes it before the checks.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine

from bursar.db.queries import query
from bursar.sources.csv.faults import HeadingError
from bursar.sources.csv.tables import FINES
from bursar.sources.findings import find_refusal, read_result
from bursar.sources.load_types import (
    InvalidRowsError,
    LoadCounts,
    LoadResult,
    OlderFileError,
    Rows,
    SourceRules,
    sanitize_path,
)
from bursar.sources.messages import MessageKind, RowMessage
from bursar.sources.older_files import check_age
from bursar.sources.record_load import record_load
from bursar.sources.staging import stage_rows
from bursar.sources.statements import Statements
from bursar.sources.steps import change_fines, check_fines, load_users, lock_fines


def load_rows(  # noqa: PLR0913 - a load has that many options
    engine: Engine,
    sets: Sequence[Rows],
    rules: SourceRules,
    *,
    strict: bool = False,
    dry_run: bool = False,
    run_id: str | None = None,
    requested_by: str | None = None,
    on_loaded: Callable[[Connection], None] = lambda _: None,
) -> LoadResult:
    """Loads user groups, libraries, users and fines into the ledger, in one transaction, and records the load.

    With `strict`, one bad row is too many. A dry run changes and records nothing, and returns what a load would do.
    A load that is refused is recorded too, with its rejected rows. `on_loaded` is called at the end of the
    transaction of one that is not.

    Raises:
        InvalidRowsError: too many rows are bad.
        HeadingError: the heading of a file is wrong, or its rows can't be separated.
        OlderFileError: a newer file was loaded before.
        InputFileError: a file can't be read; nothing was recorded.
    """
    load = _Load(rules, sets)
    facts = {
        "source": rules.code,
        "run_id": run_id,
        "requested_by": requested_by,
        "started_at": datetime.now(UTC),
        "is_complete": rules.complete,
    }
    try:
        with engine.begin() as connection:
            result = load.run(connection, strict=strict)
            if dry_run:
                connection.rollback()
                return result
            record_load(connection, result, facts, load.files, is_refused=False)
            on_loaded(connection)
    except (InvalidRowsError, HeadingError, OlderFileError) as error:
        refused = load.get_refused(error)
        if refused and not dry_run:
            with engine.begin() as connection:
                record_load(connection, refused, facts, load.files, is_refused=True)
        raise
    return result


class _Load:
    """One load: its files, and what is left of it if it is refused."""

    def __init__(self, rules: SourceRules, sets: Sequence[Rows]) -> None:
        self.rules, self.sets = rules, sets
        self.files: list[dict[str, Any]] = [
            {"table": rows.table.name, "name": rows.name, "rows": 0, "sha256": None, **rows.facts} for rows in sets
        ]
        self.load_id = 0
        self.refused: LoadResult | None = None

    def run(self, connection: Connection, *, strict: bool) -> LoadResult:
        statements = Statements(connection, self.rules)
        connection.execute(query("ledger/lock_loads"))
        # With the default, joins of a large file spill to the disk.
        connection.exec_driver_sql("SET LOCAL work_mem = '64MB'")
        load_id = self.load_id = connection.execute(query("sources/reserve_load_id")).scalar_one()
        if not self.rules.allow_older:
            check_age(connection, self.rules.code, self.files)
        stage_rows(statements, self.sets, self.files)
        users_added = load_users(statements)
        check_fines(statements)
        lock_fines(statements)

        names = {file["table"]: file["name"] for file in self.files}
        rows = {file["table"]: file["rows"] for file in self.files}
        if refusal := find_refusal(statements, load_id, names, rows, strict=strict):
            self.refused, error = refusal
            raise error
        change_fines(statements, load_id, is_complete=self.rules.complete and FINES.name in names)
        return read_result(statements, load_id, names, rows=sum(rows.values()), users_added=users_added)

    def get_refused(self, error: InvalidRowsError | HeadingError | OlderFileError) -> LoadResult | None:
        """Returns the result of a load that ended with an error; None if it did not begin."""
        if isinstance(error, HeadingError):
            found = [
                RowMessage(MessageKind.REJECTED, "unreadable", sanitize_path(error.path), error.line, fault)
                for fault in error.faults
            ]
        elif isinstance(error, OlderFileError):
            found = [error.message]
        else:
            return self.refused
        return LoadResult(self.load_id, LoadCounts(rejected=1), {found[0].code: 1}, (), tuple(found))
