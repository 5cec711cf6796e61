"""The reference of the ledger's tables, docs/reference/database.md, made of the schema of a migrated ledger.

`make reference` writes it. A column refers to a table by a foreign key, or, where the schema has none,
by its comment "references <table>".
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Engine, text

from bursar.db.engine import ledger_engine, migrate
from demo.postgres import LEDGER_OWNER, embedded_postgres

PAGE = Path(__file__).with_name("database.md")
COMMAND = "make reference"
SUBJECTS = {
    "Users and items": ["user_groups", "libraries", "users", "identifiers", "items"],
    "Fines and their journal": ["fines", "journal_entries"],
    "Loads": ["loads", "load_messages", "deferred_fines", "loaded_files", "contested_identifiers"],
    "Library systems": ["system_sources", "outbox_events"],
    "Exports": [
        "batches",
        "batch_files",
        "batch_lines",
        "batch_claims",
        "closed_partitions",
        "transaction_ids",
        "reported_users",
    ],
    "Deliveries": ["deliveries", "upload_attempts"],
    "Imports": ["observed_files", "skipped_entries", "import_files", "file_arrivals", "import_records"],
    "Statements": ["statements", "statement_results"],
    "Maintenance jobs": ["maintenance_jobs", "maintenance_job_results"],
    "Reports, notifications, monitoring and approvals": [
        "run_reports",
        "task_timings",
        "sent_notifications",
        "monitored_jobs",
        "approvals",
        "rejected_answers",
        "outstanding_by_week",
    ],
    "Pages": ["fine_lists", "profile_revisions", "run_revisions", "user_accesses"],
}
"""The tables of each subject, as in include/sql/schema/versions/0001_initial/. A new table needs a place here."""
INTRODUCTION = f"""\
# Database

<!-- Written by `{COMMAND}` from the migrations in include/sql/schema/versions. Change those, not this page. -->

The tables of the ledger. The migrations in `include/sql/schema/versions` say what their columns hold.

A solid line is a foreign key. A dashed line is a reference without one: bulk statements write these rows, and a check
of each would cost more than the statement. `PK` is the primary key, `FK` a foreign key, and `UK` belongs to a unique
constraint.
"""

COLUMNS = """
    SELECT relname AS table, attname AS column, NOT attnotnull AS is_nullable,
           replace(replace(format_type(atttypid, NULL), 'timestamp with time zone', 'timestamptz'),
                   'double precision', 'double') AS type,
           substring(col_description(attrelid, attnum) FROM '^references ([a-z_]+)$') AS refers_to,
           ARRAY(SELECT contype::text FROM pg_constraint
                 WHERE conrelid = attrelid AND attnum = ANY (conkey) AND contype IN ('p', 'f', 'u')
                 GROUP BY contype ORDER BY array_position('{p,f,u}', contype::text)) AS key_types
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
          AND attnum > 0 AND NOT attisdropped
    ORDER BY relname, attnum"""
FOREIGN_KEYS = """
    SELECT conrelid::regclass::text AS table, confrelid::regclass::text AS refers_to,
           array_agg(attname::text ORDER BY array_position(conkey, attnum)) AS columns,
           bool_or(NOT attnotnull) AS is_nullable,
           EXISTS (SELECT FROM pg_constraint AS unique_key
                   WHERE unique_key.conrelid = reference.conrelid AND unique_key.contype IN ('p', 'u')
                         AND unique_key.conkey = reference.conkey) AS is_unique
    FROM pg_constraint AS reference JOIN pg_attribute ON attrelid = conrelid AND attnum = ANY (conkey)
    WHERE contype = 'f' AND connamespace = 'public'::regnamespace
    GROUP BY reference.oid, conrelid, confrelid, conkey ORDER BY 1, 3"""
COMMENTS = """
    SELECT relname, relkind = 'v' AS is_view, obj_description(oid, 'pg_class') AS comment FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v') AND relname <> 'alembic_version'
    ORDER BY relname"""
KEYS = {"p": "PK", "f": "FK", "u": "UK"}


@dataclass(frozen=True)
class Reference:
    """A line of a diagram, from a table to the one that it refers to."""

    table: str
    refers_to: str
    line: str


def render_page(engine: Engine) -> str:
    """Renders the page for a migrated ledger."""
    with engine.connect() as connection:
        columns = connection.execute(text(COLUMNS)).all()
        foreign_keys = connection.execute(text(FOREIGN_KEYS)).all()
        comments = connection.execute(text(COMMENTS)).all()
    boxes: dict[str, list[str]] = defaultdict(list)
    references = []
    for column in columns:
        keys = ", ".join(KEYS[key_type] for key_type in column.key_types)
        boxes[column.table].append(f"        {column.type} {column.column} {keys}".rstrip())
        if column.refers_to:
            one = "|o" if column.is_nullable else "||"
            line = f'    {column.refers_to} {one}..o{{ {column.table} : "{column.column}"'
            references.append(Reference(column.table, column.refers_to, line))
    for key in foreign_keys:
        one, many = "|o" if key.is_nullable else "||", "o|" if key.is_unique else "o{"
        line = f'    {key.refers_to} {one}--{many} {key.table} : "{", ".join(key.columns)}"'
        references.append(Reference(key.table, key.refers_to, line))
    rows = {name: f"| `{name}` | {comment or ''} |" for name, _, comment in comments}
    views = [name for name, is_view, _ in comments if is_view]
    return "\n".join([INTRODUCTION, *_subjects(boxes, references, rows), *_views(views, rows)])


def _subjects(boxes: dict[str, list[str]], references: list[Reference], rows: dict[str, str]) -> Iterator[str]:
    lines = sorted(reference.line for reference in references)
    yield from ("## Overview\n", "```mermaid", "erDiagram", *lines, "```\n")
    placed = [table for tables in SUBJECTS.values() for table in tables]
    if sorted(placed) != sorted(boxes):
        raise ValueError(f"SUBJECTS in {__name__} has other tables than the ledger: {set(placed) ^ set(boxes)}.")
    for subject, tables in SUBJECTS.items():
        yield f"## {subject}\n"
        yield from ("| table | a row |", "| --- | --- |", *(rows[table] for table in tables), "")
        yield from ("```mermaid", "erDiagram")
        for table in tables:
            yield from (f"    {table} {{", *boxes[table], "    }")
        yield from sorted(reference.line for reference in references if reference.table in tables)
        yield "```\n"


def _views(views: list[str], rows: dict[str, str]) -> Iterator[str]:
    yield from ("## Views\n", "| view | a row |", "| --- | --- |", *(rows[view] for view in views), "")


def main() -> None:
    """Writes the page from the schema of a ledger that it creates for that."""
    with TemporaryDirectory(prefix="bursar-diagram-") as folder, embedded_postgres(Path(folder)) as postgres:
        postgres.create_ledger("ledger")
        engine = ledger_engine(postgres.url("ledger", user=LEDGER_OWNER))
        migrate(engine)
        PAGE.write_text(render_page(engine), encoding="utf-8")
        engine.dispose()
    print(f"{PAGE} was written.")  # noqa: T201


if __name__ == "__main__":
    main()
