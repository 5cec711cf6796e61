"""Adds the job that loads fines from a source. Its runs are reported under the code of the source.

A file that a source has loaded, or that was refused, is known by its name, size and time, even if the load is deleted.
"""

from alembic import op

revision = "0017"
down_revision = "0016"

SQL = """
ALTER TABLE run_reports
    DROP CONSTRAINT job_is_known,
    ADD CONSTRAINT job_is_known CHECK (job IN ('export', 'import', 'sync', 'purge', 'waive'));
COMMENT ON COLUMN run_reports.profile IS 'of a load, the code of the source; NULL for jobs of the whole institution';
COMMENT ON COLUMN loads.files IS 'for each: table, name, rows, SHA-256; of a source''s folder also size and modified';
CREATE TABLE loaded_files (
    source     text        NOT NULL,
    name       text        NOT NULL,
    size       bigint      NOT NULL,
    modified   timestamptz NOT NULL,
    is_refused boolean     NOT NULL,                        -- its rows were rejected, and nothing was loaded
    PRIMARY KEY (source, name)
);
COMMENT ON TABLE loaded_files IS 'The newest file of a name that was loaded from a source. It is not loaded again.';
CREATE INDEX loads_run_id ON loads (source, run_id);
"""


def upgrade() -> None:
    op.get_bind().connection.driver_connection.execute(SQL)  # many statements
