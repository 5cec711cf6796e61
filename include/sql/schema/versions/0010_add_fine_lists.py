"""Adds the lists of fines that are uploaded in the pages, and the index of the overpayments that wait for a person."""

from alembic import op

revision = "0010"
down_revision = "0009"

SQL = """
CREATE TABLE fine_lists (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text        NOT NULL,
    fine_ids    bigint[]    NOT NULL CONSTRAINT list_is_not_empty CHECK (cardinality(fine_ids) > 0),
    uploaded_by text        NOT NULL,
    uploaded_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE fine_lists IS 'A list of fines that a person has uploaded in the pages, for Bulk Fine Waiving.';
COMMENT ON COLUMN fine_lists.name IS 'of the file, as the browser sent it';

CREATE INDEX import_records_waiting ON import_records (file_id, number) WHERE held_amount > 0 AND decided_at IS NULL;
"""


def upgrade() -> None:
    op.get_bind().connection.driver_connection.execute(SQL)  # many statements
