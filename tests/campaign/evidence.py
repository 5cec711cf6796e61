"""The evidence of the checks: the bursars, the ledger by plain SQL, the working folders."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from psycopg import Connection

from tests.campaign.desk import GroundTruth
from tests.campaign.fake_bursar import FakeBursar
from tests.campaign.report import Violation


@dataclass
class Evidence:
    """The evidence of one round, the number of checks, and the violations."""

    connection: Connection
    bursars: Sequence[FakeBursar]
    truth: GroundTruth
    work_dirs: Iterable[Path]
    count: int = 0
    found: list[Violation] = field(default_factory=list)

    def _require(self, condition: bool, kind: str, details: str) -> None:
        self.count += 1
        if not condition:
            self.found.append(Violation(kind, details))

    def _rows(self, query: Any, *values: object) -> list[dict[str, Any]]:
        cursor = self.connection.execute(query, values or None)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]
