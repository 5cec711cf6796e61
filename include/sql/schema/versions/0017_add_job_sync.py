"""Adds the job that loads fines from a source. Its runs are reported under the code of the source.

A file that a source has loaded is found by its name, size and time, which loads record from now on.
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
CREATE INDEX loads_run_id ON loads (source, run_id);
"""


def upgrade() -> None:
    op.get_bind().connection.driver_connection.execute(SQL)  # many statements
