"""Upload attempts record the request to rename their part and its answer, and a conflict with another worker."""

from alembic import op

revision = "0014"
down_revision = "0013"

SQL = """
ALTER TABLE upload_attempts
    ADD rename_requested_at timestamptz,            -- recorded before the last request to rename the part
    ADD rename_accepted     boolean,                -- the server's answer to that request; unknown if null
    ADD conflict_at         timestamptz,            -- when a worker without the lock saw another file there
    ADD CONSTRAINT rename_answer_has_request CHECK (rename_accepted IS NULL OR rename_requested_at IS NOT NULL);
ALTER TABLE deliveries
    DROP CONSTRAINT unclear_reason_is_known,
    ADD CONSTRAINT unclear_reason_is_known CHECK (
        unclear_reason IN ('GONE', 'UNCONFIRMED', 'BROKEN_OFF', 'CHANGED', 'PART_GONE', 'RENAME_UNKNOWN'));
"""


def upgrade() -> None:
    op.get_bind().connection.driver_connection.execute(SQL)
