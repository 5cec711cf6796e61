-- Dry runs, and batches that are sent again.

-- The batch of a dry run claims nothing and is over at birth; only its file is built.
ALTER TABLE batches DROP COLUMN state, ADD COLUMN dry_run boolean NOT NULL DEFAULT false;
ALTER TABLE batches ADD COLUMN state text GENERATED ALWAYS AS (
    CASE WHEN dry_run THEN 'DRY_RUN'
         WHEN released_at IS NOT NULL THEN 'RELEASED'
         WHEN closed_at IS NOT NULL THEN 'CLOSED'
         WHEN delivered_at IS NOT NULL THEN 'DELIVERED'
         WHEN uploaded_at IS NOT NULL THEN 'PART_COMPLETE'
         WHEN upload_started_at IS NOT NULL THEN 'UPLOADING'
         WHEN built_at IS NOT NULL THEN 'BUILT'
         ELSE 'SELECTED' END) STORED;
ALTER TABLE batches ADD CONSTRAINT a_dry_run_never_leaves CHECK (
    NOT dry_run OR (released_at IS NOT NULL AND upload_started_at IS NULL AND closed_at IS NULL));

-- Each time that a person had the file of a batch sent once more: the same steps as those of the batch.
CREATE TABLE resends (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch_id          bigint      NOT NULL REFERENCES batches,
    run_id               text        NOT NULL,             -- the Airflow run that sends it
    requested_by      text,                             -- the login of who triggered that run, if Airflow knows it
    requested_at      timestamptz NOT NULL DEFAULT now(),
    remote_folder     text,
    upload_started_at timestamptz,
    uploaded_at  timestamptz,
    delivered_at      timestamptz,
    state text GENERATED ALWAYS AS (
        CASE WHEN delivered_at IS NOT NULL THEN 'DELIVERED'
             WHEN uploaded_at IS NOT NULL THEN 'PART_COMPLETE'
             WHEN upload_started_at IS NOT NULL THEN 'UPLOADING'
             ELSE 'BUILT' END) STORED,
    UNIQUE (batch_id, run_id)
);
