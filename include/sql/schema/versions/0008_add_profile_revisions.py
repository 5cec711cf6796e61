"""Adds the profiles that people make in the pages: every revision with who and when, and the revision of each run."""

from alembic import op

revision = "0008"
down_revision = "0007"

SQL = """
CREATE TABLE profile_revisions (
    code       text        NOT NULL,
    revision   integer     NOT NULL CONSTRAINT revision_counts_from_1 CHECK (revision > 0),
    profile    jsonb       NOT NULL,                        -- the fields as text, like those of a file
    change     text        NOT NULL,                        -- in words
    changed_by text        NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (code, revision)
);
COMMENT ON TABLE profile_revisions IS
    'A revision of an integration profile that is managed in the pages. The newest is in force.';

-- Codes that differ in case only are the same, as on some file systems.
CREATE UNIQUE INDEX profile_revisions_code ON profile_revisions (lower(code), revision);

CREATE TABLE run_revisions (
    job      text    NOT NULL,
    profile  text    NOT NULL,
    run_id   text    NOT NULL,
    revision integer NOT NULL,
    PRIMARY KEY (job, profile, run_id)
);
COMMENT ON TABLE run_revisions IS 'The revision of the profile with which a run started; the run keeps it.';
"""


def upgrade() -> None:
    op.get_bind().connection.driver_connection.execute(SQL)  # many statements
