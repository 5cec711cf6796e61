"""A table of the users whose fines stay open until somebody corrects them, so that each is warned about once."""

from alembic import op

revision = "0006"
down_revision = "0005"

SQL = """
CREATE TABLE reported_users (
    profile  text   NOT NULL,
    user_id  bigint NOT NULL REFERENCES users (id),
    reason   text   NOT NULL,                               -- for which the user's fines stay open
    batch_id bigint NOT NULL REFERENCES batches (id),       -- of the run whose report warns about the user
    PRIMARY KEY (profile, user_id, reason)
);
COMMENT ON TABLE reported_users IS 'A user who can''t be exported until somebody corrects the identifier.';
"""


def upgrade() -> None:
    op.get_bind().connection.driver_connection.execute(SQL)
