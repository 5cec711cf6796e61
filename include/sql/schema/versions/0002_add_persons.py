"""Columns for the persons who act: who posted an entry, started a run, released a batch or deleted a user."""

from alembic import op

revision = "0002"
down_revision = "0001"

# The view lists the columns of batches as they were when it was created.
SQL = """
ALTER TABLE journal_entries ADD COLUMN posted_by text;
COMMENT ON COLUMN journal_entries.posted_by IS 'the person who acted; NULL: an export, an import or a load';

ALTER TABLE batches ADD COLUMN requested_by text, ADD COLUMN released_by text;
COMMENT ON COLUMN batches.requested_by IS 'the person who triggered the run; NULL: the schedule';
COMMENT ON COLUMN batches.released_by IS 'the person who released it; NULL: a run of the export';

ALTER TABLE maintenance_jobs ADD COLUMN requested_by text;
COMMENT ON COLUMN maintenance_jobs.requested_by IS 'the person who triggered the run';

ALTER TABLE users ADD COLUMN deleted_by text;
COMMENT ON COLUMN users.deleted_by IS 'the member of staff who deleted the user, or started the purge';

DROP VIEW batches_with_state;
CREATE VIEW batches_with_state AS
SELECT batches.*, deliveries.remote_folder, deliveries.delivered_at,
       CASE WHEN batches.dry_run THEN 'DRY_RUN'
            WHEN batches.released_at IS NOT NULL THEN 'RELEASED'
            WHEN batches.closed_at IS NOT NULL THEN 'CLOSED'
            WHEN deliveries.state <> 'REQUESTED' THEN deliveries.state
            WHEN batches.built_at IS NOT NULL THEN 'BUILT'
            ELSE 'SELECTED' END AS state
FROM batches LEFT JOIN deliveries ON deliveries.batch_id = batches.id AND deliveries.kind = 'first';
COMMENT ON VIEW batches_with_state IS
    'A batch, with the state that follows from its steps and those of its first delivery.';
"""


def upgrade() -> None:
    op.get_bind().connection.driver_connection.execute(SQL)  # many statements
