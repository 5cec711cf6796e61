"""Adds the indexes of the page of all that waits for a person: it reads what is new or open, not all files."""

from alembic import op

revision = "0015"
down_revision = "0014"

SQL = """
CREATE INDEX import_files_rejected_at ON import_files (rejected_at) WHERE rejected_at IS NOT NULL;
CREATE INDEX file_arrivals_archived_at ON file_arrivals (coalesce(archived_at, modified));
CREATE INDEX approvals_unanswered ON approvals (id) WHERE answer IS NULL;
"""


def upgrade() -> None:
    op.get_bind().connection.driver_connection.execute(SQL)
