"""The persons who act, and approvals by two persons, of exports and of maintenance jobs.

An earlier request for approval may be answered by the person who triggered the run, as it could when it was made.
"""

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

ALTER TABLE approvals
    DROP CONSTRAINT approvals_pkey,
    ALTER COLUMN batch_id DROP NOT NULL,
    ADD UNIQUE (batch_id),
    ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ADD COLUMN job text CONSTRAINT job_is_known CHECK (job IN ('purge', 'waive')),
    ADD COLUMN run_id text,
    ADD COLUMN users integer,
    ADD COLUMN fines integer,
    ADD COLUMN totals jsonb,
    ADD COLUMN requested_by text,
    ADD COLUMN requester_may_approve boolean NOT NULL DEFAULT true,
    ADD UNIQUE (job, run_id),
    ADD CONSTRAINT approves_a_batch_or_a_job CHECK (num_nonnulls(batch_id, job) = 1 AND
        num_nonnulls(job, run_id, users, fines, totals) IN (0, 5)),
    ADD CONSTRAINT requester_does_not_approve CHECK (
        requester_may_approve OR answer IS DISTINCT FROM 'approved'
        OR answered_by IS NOT NULL AND lower(answered_by) IS DISTINCT FROM lower(requested_by));
ALTER TABLE approvals ALTER COLUMN requester_may_approve SET DEFAULT false;
COMMENT ON TABLE approvals IS
    'A batch or a run of a maintenance job beyond the limits: why a person has to approve it, and the answer.';
COMMENT ON COLUMN approvals.run_id IS 'of a maintenance job, and the most that may be purged or waived';
COMMENT ON COLUMN approvals.requested_by IS 'the person who triggered the run; NULL: the schedule';

CREATE TABLE rejected_answers (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    approval_id bigint      NOT NULL REFERENCES approvals,
    answer      text        NOT NULL,
    answered_by text,
    answered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason      text        NOT NULL
        CONSTRAINT reason_is_known CHECK (reason IN ('requester', 'no_approver', 'unknown'))
);
COMMENT ON TABLE rejected_answers IS 'An approval by a person who may not approve. It has no effect.';
CREATE INDEX rejected_answers_approval_id ON rejected_answers (approval_id);
"""


def upgrade() -> None:
    op.get_bind().connection.driver_connection.execute(SQL)  # many statements
