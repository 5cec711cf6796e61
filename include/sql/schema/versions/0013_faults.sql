-- What a campaign of faults, an attack and a field test found.

-- Uploads.

-- Each attempt to upload the file of a batch, with a part of its own on the server: no two attempts ever write one file. The
-- attempt of a resend names it. An attempt whose last block has been sent, and whose part is gone, may have reached the bursar.
CREATE TABLE upload_attempts (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch_id      bigint      NOT NULL REFERENCES batches,
    resend_id     bigint REFERENCES resends,
    part_name     text        NOT NULL,
    started_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_block_at timestamptz,                      -- recorded before the last block was sent
    removed_at    timestamptz                       -- recorded before Bursar removed the part, which a later attempt replaces
);
CREATE INDEX upload_attempts_of_batch ON upload_attempts (batch_id);

-- The part that is complete and verified, and waits for its final name.
ALTER TABLE batches ADD COLUMN part_name text, ADD COLUMN unclear_at timestamptz, ADD COLUMN delivery_confirmed_by text;
ALTER TABLE resends ADD COLUMN part_name text;

-- UNCLEAR: the server acknowledged the whole file and has it no more. A person finds out whether the bursar has it.
ALTER TABLE batches ALTER COLUMN state SET EXPRESSION AS (
    CASE WHEN dry_run THEN 'DRY_RUN'
         WHEN released_at IS NOT NULL THEN 'RELEASED'
         WHEN closed_at IS NOT NULL THEN 'CLOSED'
         WHEN delivered_at IS NOT NULL THEN 'DELIVERED'
         WHEN unclear_at IS NOT NULL THEN 'UNCLEAR'
         WHEN part_complete_at IS NOT NULL THEN 'PART_COMPLETE'
         WHEN upload_started_at IS NOT NULL THEN 'UPLOADING'
         WHEN documented_at IS NOT NULL THEN 'DOCUMENTED'
         ELSE 'SELECTED' END);


-- Rights.


-- The desk and loads.


-- Imports.


-- Approvals and alerts.

-- How often people were asked to approve a batch; 0 if the upload found out that nobody had been asked.
ALTER TABLE approvals ADD COLUMN times_asked integer NOT NULL DEFAULT 1;    -- what is recorded by now was asked
ALTER TABLE approvals ALTER COLUMN times_asked SET DEFAULT 0;

SELECT 1;
