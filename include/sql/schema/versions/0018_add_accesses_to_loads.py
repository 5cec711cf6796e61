"""Adds to the record of accesses who saw the rows of which load: their values name people."""

from alembic import op

revision = "0018"
down_revision = "0017"

SQL = """
ALTER TABLE user_accesses
    ADD COLUMN load_id bigint,
    DROP CONSTRAINT access_to_a_user_or_a_batch,
    ADD CONSTRAINT access_to_a_user_a_batch_or_a_load CHECK (num_nonnulls(user_id, batch_id, load_id) = 1);
COMMENT ON TABLE user_accesses IS
    'A person who saw the name of a user, downloaded the file of a batch, or saw the rows of a load, and when.';
COMMENT ON COLUMN user_accesses.load_id IS 'references loads';
"""


def upgrade() -> None:
    op.get_bind().connection.driver_connection.execute(SQL)  # many statements
