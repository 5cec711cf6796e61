"""SQL is SQL: each statement is a file below include/sql, and its first comment says what it promises."""

from functools import cache
from pathlib import Path

from sqlalchemy import TextClause, text

FOLDER = Path(__file__).parents[3] / "include" / "sql"


@cache
def query(name: str) -> TextClause:
    """The statement in `include/sql/<name>.sql`, its parameters written `:name`."""
    return text((FOLDER / f"{name}.sql").read_text(encoding="utf-8"))
