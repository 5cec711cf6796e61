"""Adds to a load who has seen its rows, and when: until then its warnings wait for a person."""

from alembic import op

revision = "0020"
down_revision = "0019"

SQL = """
ALTER TABLE loads
    ADD COLUMN seen_by text,
    ADD COLUMN seen_at timestamptz,
    ADD CONSTRAINT seen_by_a_person CHECK ((seen_by IS NULL) = (seen_at IS NULL));
COMMENT ON COLUMN loads.seen_by IS 'the person who marked its rows as seen; NULL: nobody has';
CREATE INDEX loads_not_seen ON loads (source, id)
    WHERE seen_at IS NULL
      AND (is_refused OR counts ->> 'rejected' <> '0' OR counts ->> 'fines_deferred' <> '0'
           OR counts ->> 'warnings' <> '0');
"""


def upgrade() -> None:
    op.get_bind().connection.driver_connection.execute(SQL)  # many statements
