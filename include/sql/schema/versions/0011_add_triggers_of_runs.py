"""Adds what the job history and the job report show: who started a run, and the indexes of their lists.

The download of the file of a batch is recorded by batch, as it may have very many users.
"""

from alembic import op

revision = "0011"
down_revision = "0010"

SQL = """
ALTER TABLE run_reports ADD COLUMN trigger text, ADD COLUMN requested_by text;
COMMENT ON COLUMN run_reports.trigger IS 'how Airflow started the run: scheduled, manual, backfill; NULL: not recorded';
COMMENT ON COLUMN run_reports.requested_by IS 'the person who triggered the run; NULL: the schedule';

-- The outcome is in the index, so that a rare one is found without the rows of the others.
CREATE INDEX run_reports_history ON run_reports (job, profile, started_at DESC, id DESC) INCLUDE (outcome);

CREATE INDEX batches_run_id ON batches (profile, run_id);

ALTER TABLE user_accesses
    ALTER COLUMN user_id DROP NOT NULL,
    ADD COLUMN batch_id bigint,
    ADD CONSTRAINT access_to_a_user_or_a_batch CHECK (num_nonnulls(user_id, batch_id) = 1);
COMMENT ON TABLE user_accesses IS 'A person who saw the name of a user, or downloaded the file of a batch, and when.';
COMMENT ON COLUMN user_accesses.batch_id IS 'references batches';

CREATE INDEX import_records_rejects ON import_records (file_id, number)
    WHERE outcome NOT IN ('PAID', 'PARTLY_PAID', 'OVERPAID') OR already_settled <> 0;

CREATE INDEX maintenance_job_results_reason
    ON maintenance_job_results (job_id, coalesce(reason, ''), user_id, coalesce(fine_id, 0));
DROP INDEX maintenance_job_results_job_id;
"""


def upgrade() -> None:
    op.get_bind().connection.driver_connection.execute(SQL)  # many statements
