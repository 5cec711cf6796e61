"""The one gate into the ledger: loads users and fines from a source, row by row, in one transaction.

Rows are copied unchanged into staging tables, which SQL statements check and compare with the source's earlier rows
(include/sql/sources). A good row is loaded. A bad one is rejected, and counted; beyond a limit nothing is loaded, since
it is the wrong file. What a row may change depends on where its fine is: docs/reference/loading.md has the rules.

The table of fines is locked only while the changes are decided and written; staging and checks come before it.
"""

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, CursorResult, Engine

from bursar.db.bulk_copy import copy_into
from bursar.db.queries import query
from bursar.errors import InputFileError
from bursar.ledger.entry_type import EntryType
from bursar.money import get_currency_decimals, pluralize
from bursar.sources.csv.faults import HeadingError
from bursar.sources.csv.reader import FAULT_COLUMNS, Record
from bursar.sources.csv.tables import FINES, GROUPS, LIBRARIES, USERS, CsvTable
from bursar.sources.messages import MessageKind, RowMessage

log = logging.getLogger(__name__)

TABLES = (GROUPS, LIBRARIES, USERS, FINES)

MAX_MESSAGES = 1_000
"""Messages of each kind and reason that a load keeps; all rows are counted."""
MAX_ERRORS_SHOWN = 50
SOURCE_ID_TYPE = "sourceId"
"""The type of the identifier that a library system has for its users; that of source X is `sourceId:X`."""


def printable(path: Path) -> str:
    """Returns a path as text that the ledger and logs accept, whatever the bytes of its name are."""
    return os.fsencode(path).decode(errors="replace")


@dataclass(frozen=True)
class SourceRules:
    """How a source's rows are read and compared.

    `code` is '' for files that a person names. The rows of a `complete` source are all its fines. A source that
    `closes_exported_fines` reports a balance of 0 for them. `currency` and `time_zone` (an IANA name) are the defaults
    for values without one. Nothing is loaded if at least `min_rejected_rows` rows of a table, and more than
    `max_rejected_percent` of them, are rejected. With `minor_units`, amounts are whole numbers of cents and the like.
    """

    currency: str
    time_zone: str
    code: str = ""
    complete: bool = False
    closes_exported_fines: bool = False
    max_rejected_percent: int = 10
    min_rejected_rows: int = 20
    minor_units: bool = False


@dataclass(frozen=True)
class Rows:
    """The rows of one table. `name` is that of their file in messages; `sha256` is asked for once they are read.

    `facts` are recorded with the file: values of JSON by their names.
    """

    table: CsvTable
    name: str
    records: Iterator[Record]
    checksum: Any = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LoadCounts:
    """The counts of a load. Rows are read, and rejected or not; the fines that are not are added, changed, unchanged or
    deferred. `fines_rounded` had more decimals than their currency.
    """  # noqa: D205 - one sentence would be too long

    rows: int = 0
    rejected: int = 0
    users_added: int = 0
    users_updated: int = 0
    fines_added: int = 0
    fines_changed: int = 0
    fines_unchanged: int = 0
    fines_deferred: int = 0
    fines_rounded: int = 0
    warnings: int = 0


@dataclass(frozen=True)
class EntrySum:
    """The entries of one type and currency that a load posted: fines, and what they changed."""

    entry_type: EntryType
    currency: str
    fines: int
    balance_change: Decimal
    outstanding_change: Decimal

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "EntrySum":
        """Reads what `asdict` wrote as JSON, with decimals as text."""
        amounts = {name: Decimal(value[name]) for name in ("balance_change", "outstanding_change")}
        return cls(**{**value, "entry_type": EntryType(value["entry_type"]), **amounts})


@dataclass(frozen=True)
class LoadResult:
    """The result of a load. `messages` has at most MAX_MESSAGES of each kind; `rejected` counts rows by reason."""

    load_id: int
    counts: LoadCounts
    rejected: Mapping[str, int] = field(default_factory=dict)
    entries: tuple[EntrySum, ...] = ()
    messages: tuple[RowMessage, ...] = ()


class InvalidRowsError(InputFileError):
    """Too many rows are invalid, and nothing was loaded.

    `lines` has the first of them, each as `file:line: message`; `count` is their total number.
    """

    def __init__(self, lines: tuple[str, ...], count: int, introduction: str = "") -> None:
        self.lines, self.count = lines, count
        more = [f"and {count - len(lines):,} more"] if count > len(lines) else []
        super().__init__("\n".join([*([introduction] if introduction else []), *lines, *more]))


def load_rows(
    engine: Engine,
    sets: Sequence[Rows],
    rules: SourceRules,
    *,
    strict: bool = False,
    dry_run: bool = False,
    run_id: str | None = None,
    requested_by: str | None = None,
) -> LoadResult:
    """Loads user groups, libraries, users and fines into the ledger, in one transaction, and records the load.

    With `strict`, one bad row is too many. A dry run changes and records nothing, and returns what a load would do.
    A load that is refused is recorded too, with its rejected rows.

    Raises:
        InvalidRowsError: too many rows are bad.
        HeadingError: the heading of a file is wrong, or its rows can't be separated.
        InputFileError: a file can't be read; nothing was recorded.
    """
    load = _Load(rules, started_at=datetime.now(UTC))
    facts = {"source": rules.code, "run_id": run_id, "requested_by": requested_by, "is_complete": rules.complete}
    try:
        with engine.begin() as connection:
            result = load.run(connection, sets, strict=strict)
            if dry_run:
                connection.rollback()
                return result
            _record(connection, load, result, facts, is_refused=False)
    except (InvalidRowsError, HeadingError) as error:
        refused = load.refuse(error) if isinstance(error, HeadingError) else load.refused
        if refused and not dry_run:
            with engine.begin() as connection:
                _record(connection, load, refused, facts, is_refused=True)
        raise
    return result


class _Load:
    """One load: its rules and the counts that its steps leave for the next ones."""

    def __init__(self, rules: SourceRules, started_at: datetime) -> None:
        self.rules, self.started_at = rules, started_at
        self.files: list[dict[str, Any]] = []
        self.names: dict[str, str] = {}
        self.load_id = 0
        self.refused: LoadResult | None = None

    def refuse(self, error: HeadingError) -> LoadResult:
        """Returns the result of a load that ended at a file whose rows can't be separated."""
        faults = [
            RowMessage(
                kind=MessageKind.REJECTED, code="unreadable", file=printable(error.path), line=error.line, reason=fault
            )
            for fault in error.faults
        ]
        return LoadResult(self.load_id, LoadCounts(rejected=1), {"unreadable": 1}, (), tuple(faults))

    def run(self, connection: Connection, sets: Sequence[Rows], *, strict: bool) -> LoadResult:
        connection.execute(query("ledger/lock_loads"))
        # With the default, joins of a large file spill to the disk.
        connection.exec_driver_sql("SET LOCAL work_mem = '64MB'")
        load_id = self.load_id = connection.execute(query("sources/reserve_load_id")).scalar_one()
        self._stage_all(connection, sets)
        rows = {file["table"]: file["rows"] for file in self.files}
        users_added = self._load_users(connection)
        self._check_fines(connection)

        connection.execute(query("ledger/lock_fines_table"))
        self._run(connection, "check_reversals", "drop_rejected_fines")
        self._refuse_wrong_files(connection, load_id, rows, strict=strict)
        self._change_fines(connection, load_id)

        counts = self._count(connection, sum(rows.values()))
        users = counts.users_updated
        return LoadResult(
            load_id,
            LoadCounts(**(asdict(counts) | {"users_added": users_added, "users_updated": users - users_added})),
            self._rejected_by_reason(connection),
            tuple(
                EntrySum(EntryType(row.entry_type), *row[1:])
                for row in connection.execute(query("sources/sum_entries"), {"load_id": load_id})
            ),
            self._messages(connection),
        )

    def _stage_all(self, connection: Connection, sets: Sequence[Rows]) -> None:
        self._run(connection, "create_row_messages", "create_incoming_fines", "create_fine_changes")
        self._run(connection, "create_fault", "parse_day", "parse_money", "parse_moment", "add_if_fits", "sum_fitting")
        self._run(connection, "create_known_currencies", currency_decimals=json.dumps(get_currency_decimals()))
        for table in TABLES:
            columns = ", ".join(f"{name} text" for name in (*FAULT_COLUMNS, *table.columns))
            connection.exec_driver_sql(
                f"CREATE TEMPORARY TABLE staged_{table.name} (line integer, {columns}) ON COMMIT DROP"
            )
        self.names = {rows.table.name: rows.name for rows in sets}
        self.files = [
            {"table": rows.table.name, "name": rows.name, "rows": 0, "sha256": None, **rows.facts} for rows in sets
        ]
        for rows in sets:
            self._stage(connection, rows)
        self._run(connection, "stage_deferred_fines", "report_unreadable_rows")
        for table in TABLES:
            connection.exec_driver_sql(f"ANALYZE staged_{table.name}")

    def _stage(self, connection: Connection, rows: Rows) -> None:
        count = 0
        with copy_into(connection, f"staged_{rows.table.name}") as copy:
            for record in rows.records:
                copy.write_row(record)
                count += 1
        log.info("%s: %s.", rows.name, pluralize(count, "record"))
        [file] = [file for file in self.files if file["table"] == rows.table.name]
        file |= {"rows": count, "sha256": rows.checksum.hexdigest() if rows.checksum else None}

    def _load_users(self, connection: Connection) -> int:
        self._run(connection, "check_groups", "check_libraries", "upsert_groups", "upsert_libraries")
        self._run(connection, "resolve_users", "check_users", "check_identifiers", "drop_rejected_users")
        while self._run(connection, "check_primary_ids"):
            self._run(connection, "drop_rejected_users")
        self._run(connection, "assign_user_ids", "update_users")
        added = self._run(connection, "insert_users")
        self._run(connection, "delete_identifiers", "insert_primary_ids", "create_identifier_claims")
        self._run(connection, "report_contested_identifiers", "delete_contested_identifiers", "delete_old_claims")
        self._run(connection, "insert_claims", "insert_identifiers")
        return added

    def _check_fines(self, connection: Connection) -> None:
        if connection.execute(query("sources/has_fines_to_adopt"), {"source": self.rules.code}).scalar_one():
            connection.execute(query("ledger/lock_fines_table"))
            self._run(connection, "adopt_fines")
        self._run(connection, "resolve_fines", "analyze_incoming_fines")
        self._run(connection, "check_repeated_fines", "check_fines", "drop_rejected_fines")
        self._run(connection, "check_orphaned_credits", "drop_rejected_fines", "warn_of_fixed_values", "upsert_items")

    def _change_fines(self, connection: Connection, load_id: int) -> None:
        self._run(connection, "insert_fines", "assign_fine_ids", "link_reversals", load_id=load_id)
        self._run(connection, "read_fine_states", "decide_changes", "decide_changes_at_bursars")
        self._run(connection, "defer_changes", "warn_of_contradictions", "warn_of_deleted_users")
        self._run(connection, "post_changes", "record_what_was_said", load_id=load_id)
        if self.rules.complete and FINES.name in self.names:
            self._run(connection, "warn_of_missing_fines")
        self._run(connection, "drop_known_warnings")

    def _refuse_wrong_files(
        self, connection: Connection, load_id: int, rows: Mapping[str, int], *, strict: bool
    ) -> None:
        found = connection.execute(query("sources/count_rejected_rows")).all()
        rejected = {row.of_table: row.rows for row in found}
        wrong = [
            table
            for table, count in rejected.items()
            if strict
            or (
                count >= self.rules.min_rejected_rows
                and count * 100 > rows.get(table, 0) * self.rules.max_rejected_percent
            )
        ]
        if not wrong:
            return
        messages = tuple(message for message in self._messages(connection) if message.is_rejection)
        counts = LoadCounts(rows=sum(rows.values()), rejected=sum(rejected.values()))
        self.refused = LoadResult(load_id, counts, self._rejected_by_reason(connection), (), messages)
        shown = [f"{message.file}:{message.line}: {message}" for message in messages]
        raise InvalidRowsError(tuple(shown[:MAX_ERRORS_SHOWN]), sum(row.faults for row in found))

    def _count(self, connection: Connection, rows: int) -> LoadCounts:
        fines = connection.execute(query("sources/count_fines")).one()
        messages = connection.execute(query("sources/count_row_messages")).all()
        rejected = connection.execute(query("sources/count_rejected_rows")).all()
        if fines.rounded:
            log.info("The amounts of %s were rounded to their currency.", pluralize(fines.rounded, "fine"))
        return LoadCounts(
            rows=rows,
            rejected=sum(row.rows for row in rejected),
            users_updated=connection.exec_driver_sql("SELECT count(*) FROM incoming_users").scalar_one(),
            fines_added=fines.added,
            fines_changed=fines.changed,
            fines_unchanged=fines.fines - fines.added - fines.changed - fines.deferred,
            fines_deferred=fines.deferred,
            fines_rounded=fines.rounded,
            warnings=sum(row.rows for row in messages if row.kind == MessageKind.WARNING),
        )

    def _rejected_by_reason(self, connection: Connection) -> dict[str, int]:
        counts: dict[str, int] = {}
        for row in connection.execute(query("sources/count_row_messages")):
            if row.kind == MessageKind.REJECTED:
                counts[row.code] = counts.get(row.code, 0) + row.rows
        return counts

    def _messages(self, connection: Connection) -> tuple[RowMessage, ...]:
        wanted = {"source": self.rules.code, "wanted": MAX_MESSAGES}
        rows = connection.execute(query("sources/list_row_messages"), wanted).mappings()
        return tuple(
            RowMessage(
                **{**row, "kind": MessageKind(row["kind"]), "file": row["file"] or self.names.get(row["of_table"], "")}
            )
            for row in rows
        )

    def _run(self, connection: Connection, *names: str, **more: int | str) -> int:
        """Runs statements in order and returns the number of rows that the last one changed."""
        parameters = {
            "source": self.rules.code,
            "id_type": f"{SOURCE_ID_TYPE}:{self.rules.code}" if self.rules.code else SOURCE_ID_TYPE,
            "currency": self.rules.currency,
            "time_zone": self.rules.time_zone,
            "minor_units": self.rules.minor_units,
            "closes_exported_fines": self.rules.closes_exported_fines,
            **more,
        }
        changed = 0
        for name in names:
            result = cast("CursorResult[Any]", connection.execute(query(f"sources/{name}"), parameters))
            changed = result.rowcount
            log.debug("%s: %s.", name, pluralize(changed, "row"))
        return changed


def _record(
    connection: Connection, load: _Load, result: LoadResult, facts: dict[str, Any], *, is_refused: bool
) -> None:
    """Records a load and its messages; of a load that took place also the rows that it deferred."""
    connection.execute(
        query("sources/insert_load"),
        {
            **facts,
            "id": result.load_id,
            "started_at": load.started_at,
            "is_refused": is_refused,
            "files": json.dumps(load.files),
            "counts": json.dumps(asdict(result.counts)),
            "rejected": json.dumps(result.rejected),
            "entries": json.dumps([asdict(entry) for entry in result.entries], default=str),
        },
    )
    wrong = {message.file for message in result.messages if message.is_rejection}
    seen = [file for file in load.files if "modified" in file and (not is_refused or file["name"] in wrong)]
    if seen:
        parameters = {"source": load.rules.code, "is_refused": is_refused, "files": json.dumps(seen)}
        connection.execute(query("sources/record_loaded_files"), parameters)
    messages = json.dumps([asdict(message) for message in result.messages])
    connection.execute(query("sources/insert_load_messages"), {"load_id": result.load_id, "messages": messages})
    if not is_refused:
        parameters = {"source": load.rules.code, "load_id": result.load_id, "file": load.names.get("fines", "")}
        connection.execute(query("sources/delete_deferred_fines"), parameters)
        connection.execute(query("sources/insert_deferred_fines"), parameters)
