"""Queries: each statement is a file below include/sql, whose first comment says what it does."""

from functools import cache
from pathlib import Path

from sqlalchemy import TextClause, text

FOLDER = Path(__file__).parents[3] / "include" / "sql"


@cache
def query(name: str) -> TextClause:
    """Returns the statement in `include/sql/<name>.sql`. Its parameters are written `:name`."""
    return text((FOLDER / f"{name}.sql").read_text(encoding="utf-8"))
