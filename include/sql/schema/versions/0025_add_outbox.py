"""Adds what the ledger knows of a library's system with an API: how far it was read, and what it was informed of."""

from pathlib import Path

from alembic import op

revision = "0025"
down_revision = "0022"


def upgrade() -> None:
    sql = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_bind().connection.driver_connection.execute(sql)  # many statements
