"""A library system that writes CSV files, and a ledger that they are loaded into."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from bursar.sources.csv.dialect import DEFAULT_DIALECT, Dialect
from bursar.sources.csv.load import load
from bursar.sources.load_types import InvalidRowsError, LoadResult, SourceRules

USER = {
    "primary_id": "u1",
    "last_name": "Ng",
    "first_name": "Ada",
    "user_group": "UG",
    "expiry_date": "",
    "purge_date": "",
}
FINE = {
    "fine_id": "F1",
    "primary_id": "u1",
    "fine_fee_type": "OVERDUEFINE",
    "amount": "5.00",
    "created_at": "2024-05-01T10:00:00",
}


class LibrarySystem:
    """A library system that writes files into a folder, and a ledger that they are loaded into."""

    def __init__(self, ledger: Engine, folder: Path) -> None:
        self.ledger, self.folder = ledger, folder

    def write(self, name: str, rows: Iterable[Mapping[str, str]]) -> Path:
        """Writes rows below a header of all their columns, in the order in which they appear."""
        rows = list(rows)
        path = self.folder / f"{name}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(dict.fromkeys(column for row in rows for column in row)), restval="")
            writer.writeheader()
            writer.writerows(rows)
        return path

    def load(
        self,
        *,
        strict: bool = False,
        dry_run: bool = False,
        rules: Mapping[str, Any] = MappingProxyType({}),
        dialect: Dialect = DEFAULT_DIALECT,
        **files: Any,
    ) -> LoadResult:
        """Loads rows, each over the sample of its kind, or a file that is there already."""
        samples = {"users": USER, "fines": FINE}
        paths = {
            name: rows if isinstance(rows, Path) else self.write(name, (samples.get(name, {}) | row for row in rows))
            for name, rows in files.items()
        }
        all_rules = SourceRules(**({"currency": "EUR", "time_zone": "Europe/Vienna"} | dict(rules)))
        return load(self.ledger, all_rules, **paths, dialect=dialect, strict=strict, dry_run=dry_run)

    def counts(self, **files: Any) -> dict[str, int]:
        """Loads rows and returns the counts that are not 0, without that of the rows."""
        counts = asdict(self.load(**files).counts)
        return {name: count for name, count in counts.items() if count and name != "rows"}

    def refusals(self, **files: Any) -> list[str]:
        """What a strict load complains of, without the folder; and that it has changed nothing."""
        before = self.everything()
        with pytest.raises(InvalidRowsError) as error:
            self.load(strict=True, **files)
        assert self.everything() == before
        assert error.value.count == len(error.value.lines)
        return [line.removeprefix(f"{self.folder}/") for line in error.value.lines]

    def messages(self, **files: Any) -> list[str]:
        """What a load says about single rows."""
        return [f"{message.kind}: {message}" for message in self.load(**files).messages]

    def rows(self, sql: str) -> list[Any]:
        with self.ledger.connect() as connection:
            return [row[0] if len(row) == 1 else tuple(row) for row in connection.execute(text(sql))]

    def fine(self, source_id: str) -> Any:
        with self.ledger.connect() as connection:
            return connection.execute(text("SELECT * FROM fines WHERE source_id = :id"), {"id": source_id}).one()

    def everything(self) -> dict[str, list[Any]]:
        tables = ("user_groups", "libraries", "users", "identifiers", "items", "fines", "journal_entries")
        return {table: self.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables}


def wait_until_blocked(connection: Connection) -> None:
    """Returns when another session waits for a lock."""
    for _ in range(500):
        if connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
            return
        connection.execute(text("SELECT pg_sleep(0.02)"))
    pytest.fail("the load did not wait")
