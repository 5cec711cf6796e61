"""Adds what the pages need: the record of who looked at which user, and the index for a search by last name."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE user_accesses (
            id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            accessed_at timestamptz NOT NULL DEFAULT now(),
            person      text        NOT NULL,                   -- the login in Airflow
            user_id     bigint      NOT NULL
        );
        COMMENT ON TABLE user_accesses IS 'A person who looked at the page of a user, and when.';
        COMMENT ON COLUMN user_accesses.user_id IS 'references users';
        CREATE INDEX user_accesses_user_id ON user_accesses (user_id);
        -- The beginning of the name: an index has no room for the longest.
        CREATE INDEX users_last_name ON users (lower(left(last_name, 100)) text_pattern_ops, id)
            WHERE deleted_at IS NULL;
        CREATE INDEX identifiers_value ON identifiers (value);
        """
    )
