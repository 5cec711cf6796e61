"""The ledger: tables, triggers, functions and views, one SQL file for each subject in the folder beside this file."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    files = sorted(Path(__file__).with_suffix("").glob("*.sql"))
    sql = "\n".join(path.read_text(encoding="utf-8") for path in files)
    op.get_bind().connection.driver_connection.execute(sql)  # many statements, and % is no placeholder
