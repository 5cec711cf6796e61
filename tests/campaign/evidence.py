"""What the checks look at: the offices, the ledger by plain SQL, the folders."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from psycopg import Connection

from tests.campaign.desk import Truth
from tests.campaign.office import Office
from tests.campaign.report import Violation


@dataclass
class Evidence:
    """What has been checked of one round, and what was found."""

    connection: Connection
    offices: Sequence[Office]
    truth: Truth
    work_dirs: Iterable[Path]
    made: int = 0
    found: list[Violation] = field(default_factory=list)

    def _that(self, holds: bool, kind: str, what: str) -> None:
        self.made += 1
        if not holds:
            self.found.append(Violation(kind, what))

    def _rows(self, query: Any, *values: object) -> list[dict[str, Any]]:
        cursor = self.connection.execute(query, values or None)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]
