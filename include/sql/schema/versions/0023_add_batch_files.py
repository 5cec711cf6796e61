"""Adds the files of batches: a batch may have several, and each delivery is of one of them.

A batch of an earlier revision has one file, whose name, size and SHA-256 move from `batches`.
"""

from pathlib import Path

from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    sql = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_bind().connection.driver_connection.execute(sql)  # many statements
