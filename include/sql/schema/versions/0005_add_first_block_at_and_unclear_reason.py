"""Uploads record their first block, and an unclear delivery records what is known about its end."""

from alembic import op

revision = "0005"
down_revision = "0004"

SQL = """
ALTER TABLE upload_attempts
    ADD first_block_at timestamptz;                 -- recorded before the first block of a direct upload was sent
ALTER TABLE deliveries
    ADD unclear_reason text CONSTRAINT unclear_reason_is_known
        CHECK (unclear_reason IN ('GONE', 'UNCONFIRMED', 'BROKEN_OFF', 'CHANGED'));
"""


def upgrade() -> None:
    op.get_bind().connection.driver_connection.execute(SQL)
