"""A table of the entries in a bursar's folder that are not taken, so that each is named once."""

from alembic import op

revision = "0004"
down_revision = "0003"

SQL = """
CREATE TABLE skipped_entries (
    profile     text        NOT NULL,
    name        text        NOT NULL,                       -- for people: it may be shortened
    reason      text        NOT NULL,
    is_odd      boolean     NOT NULL,                       -- it might be a payment file, and cannot be used
    observed_at timestamptz NOT NULL DEFAULT now(),
    run_id      text,                                       -- the run whose report names it; NULL: none has yet
    PRIMARY KEY (profile, name)
);
COMMENT ON TABLE skipped_entries IS 'An entry in a bursar''s folder that is not taken. Each is reported once.';
"""


def upgrade() -> None:
    op.get_bind().connection.driver_connection.execute(SQL)
