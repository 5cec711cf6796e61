"""Loads from library systems: what each row says, what a load changed, and what it rejected or deferred.

A fine that was loaded before counts as one of the source without a name. Of an exported one it is not known what the
source said last, so the next load only records it.
"""

from pathlib import Path

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    sql = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_bind().connection.driver_connection.execute(sql)  # many statements
