"""A source whose files a library system's own rows become, by the queries in include/sources.examples."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.fixtures import Library
from tests.support.library_source import LibrarySource
from tests.support.source_inbox import SourceInbox, make_source, set_time
from tests.support.tracked_files import PROJECT

EXAMPLES = PROJECT / "include" / "sources.examples"
TABLES = ("groups", "libraries", "users", "fines")


@dataclass
class MappedSource(LibrarySource):
    """A complete source of the kind `csv`; `write` writes its files into a folder, as they are at that moment."""

    users: int = 0
    write: Callable[[Path], None] = lambda _folder: None
    closes: bool = False
    nights: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        super().__post_init__()
        (self.folder / "out").mkdir()
        source = make_source(
            connection=None,
            folder=str(self.folder / "out"),
            files={table: f"{table}*.csv" for table in TABLES},
            closes_exported_fines=self.closes,
        )
        self.inbox = SourceInbox(self.library, self.folder / "out", self.folder / "work", source)

    def sync(self) -> list[str]:
        """Has the files written, and loads them by the source; returns the codes of what the load says about rows."""
        night = next(self.nights)
        self.write(self.inbox.disk)
        for path in self.inbox.disk.glob("*.csv"):
            set_time(path, night)
        [load] = self.inbox.load(run_id=f"night {night}")
        codes = "SELECT coalesce(string_agg(code, ' ' ORDER BY number), '') FROM load_messages WHERE load_id = :load"
        return str(self.library.one(codes, load=load.id)).split()

    def open_fines(self) -> dict[str, str]:
        """Returns the balances that are not 0, by the fines' ids in the library system."""
        return {id_: balance for id_, balance in self.inbox.balances().items() if float(balance)}


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Writes rows below their heading."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)


def write_results(connection: psycopg.Connection, system: str, folder: Path, old: str = "`", new: str = '"') -> None:
    """Runs the queries of a system, each with one text replaced, and writes their results as CSV.

    By default the quotes of MySQL become those of PostgreSQL.
    """
    for path in sorted((EXAMPLES / system).glob("*.sql")):
        result = connection.execute(path.read_text(encoding="utf-8").replace(old, new).encode())
        assert result.description
        write_csv(folder / f"{path.stem}.csv", [column.name for column in result.description], result.fetchall())


@pytest.fixture
def make_mapped(library: Library, tmp_path: Path) -> Callable[..., MappedSource]:
    """Returns a function that makes a source of a system's files."""
    return lambda write, **options: MappedSource(library, tmp_path, write=write, **options)
