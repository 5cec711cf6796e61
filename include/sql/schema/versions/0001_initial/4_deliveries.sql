-- Deliveries.

CREATE TABLE deliveries (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch_id          bigint      NOT NULL,
    kind              text        NOT NULL CONSTRAINT kind_is_known CHECK (kind IN ('first', 'resend')),
    run_id            text        NOT NULL,                 -- the Airflow run that selected the batch, or that resends it
    requested_by      text,                                 -- the login of the person who triggered a resend, if known
    requested_at      timestamptz NOT NULL DEFAULT now(),
    upload_started_at timestamptz,
    remote_folder     text,                                 -- server and folder of the upload, without the password
    uploaded_at       timestamptz,
    part_name         text,                                 -- the part that is complete and verified, until its renaming
    unclear_at        timestamptz,
    delivered_at      timestamptz,
    confirmed_by      text,                                 -- the login of the person who confirmed an unclear delivery
    dry_run           boolean     NOT NULL GENERATED ALWAYS AS (false) STORED,   -- for the foreign key
    -- UNCLEAR: the server acknowledged the whole file and has it no more. A person finds out whether the bursar has it.
    state text GENERATED ALWAYS AS (
        CASE WHEN delivered_at IS NOT NULL THEN 'DELIVERED'
             WHEN unclear_at IS NOT NULL THEN 'UNCLEAR'
             WHEN uploaded_at IS NOT NULL THEN 'PART_COMPLETE'
             WHEN upload_started_at IS NOT NULL THEN 'UPLOADING'
             ELSE 'REQUESTED' END) STORED,
    UNIQUE (batch_id, kind, run_id),
    CONSTRAINT dry_run_is_never_uploaded FOREIGN KEY (batch_id, dry_run) REFERENCES batches (id, dry_run)
);
COMMENT ON TABLE deliveries IS 'A delivery of the file of a batch: the first one, or a resend at the request of a person.';

CREATE UNIQUE INDEX deliveries_first ON deliveries (batch_id) WHERE kind = 'first';
CREATE INDEX deliveries_run_id ON deliveries (run_id);

CREATE TABLE upload_attempts (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    delivery_id   bigint      NOT NULL REFERENCES deliveries,
    part_name     text        NOT NULL,                     -- its own: no two attempts write one file on the server
    started_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_block_at timestamptz,                              -- recorded before the last block was sent
    removed_at    timestamptz                               -- when Bursar had removed the part, as the server confirmed
);
COMMENT ON TABLE upload_attempts IS
    'An attempt to upload the file of a delivery. If its last block was sent and its part is gone, the bursar may have the file.';

CREATE INDEX upload_attempts_delivery_id ON upload_attempts (delivery_id);

-- Batches with the state that follows from their own steps and from those of their first delivery. A transaction that has locked
-- the row in batches reads a state that nobody changes until it ends. It has to read in a statement of its own, after the lock:
-- PostgreSQL reads the row that it waited for again, but not the rows joined to it.
CREATE VIEW batches_with_state AS
SELECT batches.*, deliveries.remote_folder, deliveries.delivered_at,
       CASE WHEN batches.dry_run THEN 'DRY_RUN'
            WHEN batches.released_at IS NOT NULL THEN 'RELEASED'
            WHEN batches.closed_at IS NOT NULL THEN 'CLOSED'
            WHEN deliveries.state <> 'REQUESTED' THEN deliveries.state
            WHEN batches.built_at IS NOT NULL THEN 'BUILT'
            ELSE 'SELECTED' END AS state
FROM batches LEFT JOIN deliveries ON deliveries.batch_id = batches.id AND deliveries.kind = 'first';
COMMENT ON VIEW batches_with_state IS 'A batch, with the state that follows from its steps and those of its first delivery.';
