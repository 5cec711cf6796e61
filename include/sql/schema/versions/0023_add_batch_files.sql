-- The kind of a batch line, by which layouts divide fines into files.
CREATE FUNCTION line_kind(amount numeric, reversal boolean, reversed_transaction_id text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN amount >= 0 THEN 'charge' WHEN reversal OR reversed_transaction_id IS NOT NULL THEN 'reversal' ELSE 'credit' END
$$;

CREATE TABLE batch_files (
    batch_id  bigint   NOT NULL REFERENCES batches,
    number    smallint NOT NULL,                -- the order of the upload
    file_name text     NOT NULL,
    kinds     text[],                           -- of its fines; NULL: all; empty: it only says that the other files are complete
    fines     integer  NOT NULL,
    users     integer  NOT NULL,
    totals    jsonb    NOT NULL,                -- {currency: {charges, credits}}
    file_size bigint,
    sha256    text,                             -- before it is compressed and encrypted
    PRIMARY KEY (batch_id, number),
    UNIQUE (batch_id, file_name),
    CONSTRAINT kinds_are_known CHECK (kinds <@ ARRAY['charge', 'credit', 'reversal'])
);
COMMENT ON TABLE batch_files IS 'A file of a batch.';
COMMENT ON COLUMN batch_files.sha256 IS 'before it is compressed and encrypted: a second build must give the same';
CREATE INDEX batch_files_file_name ON batch_files (file_name);

INSERT INTO batch_files (batch_id, number, file_name, fines, users, totals, file_size, sha256)
SELECT id, 1, file_name, fines, users, totals, file_size, sha256 FROM batches
WHERE fines > 0 OR EXISTS (SELECT FROM deliveries WHERE batch_id = batches.id);

ALTER TABLE deliveries
    ADD COLUMN file_number smallint NOT NULL DEFAULT 1,
    ADD COLUMN file_size bigint,
    ADD COLUMN sha256 text,
    ADD COLUMN repeated_by text;
ALTER TABLE deliveries
    ALTER COLUMN file_number DROP DEFAULT,
    ADD FOREIGN KEY (batch_id, file_number) REFERENCES batch_files (batch_id, number),
    DROP CONSTRAINT deliveries_batch_id_kind_run_id_key,
    ADD UNIQUE (batch_id, kind, run_id, file_number);
COMMENT ON TABLE deliveries IS 'A delivery of a file of a batch: the first one, or a resend at the request of a person.';
COMMENT ON COLUMN deliveries.repeated_by IS 'the person who confirmed that an unclear file is missing, and had it sent again';
COMMENT ON COLUMN upload_attempts.removed_at IS 'when the server confirmed its removal, or a person that nothing has arrived';
COMMENT ON COLUMN deliveries.sha256 IS 'of the bytes that its newest attempt sends';
COMMENT ON COLUMN deliveries.file_size IS 'of the bytes that its newest attempt sends';
UPDATE deliveries SET file_size = batches.file_size, sha256 = batches.sha256
FROM batches WHERE batches.id = deliveries.batch_id AND deliveries.upload_started_at IS NOT NULL;
DROP INDEX deliveries_first;
CREATE UNIQUE INDEX deliveries_first ON deliveries (batch_id, file_number) WHERE kind = 'first';

DROP VIEW batches_with_state;
ALTER TABLE batches DROP COLUMN file_name, DROP COLUMN file_size, DROP COLUMN sha256;
COMMENT ON TABLE batches IS
    'One export of one profile: its fines and amounts. Its files are in batch_files, its state in the view batches_with_state.';

-- Batches with their files, and with the state that follows from their own steps and from those of the first deliveries of all
-- files: a batch is delivered when all its files are. A transaction that has locked the row in batches reads a state that nobody
-- changes until it ends. It has to read in a statement of its own, after the lock: PostgreSQL reads the row that it waited for
-- again, but not the rows joined to it.
CREATE VIEW batches_with_state AS
SELECT batches.*, sent.file_name, sent.files, sent.remote_folder, sent.delivered_at,
       CASE WHEN batches.dry_run THEN 'DRY_RUN'
            WHEN batches.released_at IS NOT NULL THEN 'RELEASED'
            WHEN batches.closed_at IS NOT NULL THEN 'CLOSED'
            WHEN sent.state IS NOT NULL THEN sent.state
            WHEN batches.built_at IS NOT NULL THEN 'BUILT'
            ELSE 'SELECTED' END AS state
FROM batches CROSS JOIN LATERAL (
    SELECT coalesce(string_agg(batch_files.file_name, ', ' ORDER BY batch_files.number), '') AS file_name,
           coalesce(jsonb_agg(jsonb_build_object(
               'number', batch_files.number, 'name', batch_files.file_name, 'kinds', batch_files.kinds,
               'fines', batch_files.fines, 'users', batch_files.users, 'totals', batch_files.totals,
               'size', batch_files.file_size, 'sha256', batch_files.sha256,
               'sent_size', deliveries.file_size, 'sent_sha256', deliveries.sha256, 'state', deliveries.state)
               ORDER BY batch_files.number), '[]') AS files,
           min(deliveries.remote_folder) AS remote_folder,
           CASE WHEN count(deliveries.delivered_at) = count(*) THEN max(deliveries.delivered_at) END AS delivered_at,
           CASE WHEN count(*) = 0 THEN NULL
                WHEN count(deliveries.delivered_at) = count(*) THEN 'DELIVERED'
                WHEN bool_or(deliveries.state = 'UNCLEAR') THEN 'UNCLEAR'
                WHEN bool_or(deliveries.state = 'PART_COMPLETE') THEN 'PART_COMPLETE'
                WHEN bool_or(deliveries.state <> 'REQUESTED') THEN 'UPLOADING' END AS state
    FROM batch_files LEFT JOIN deliveries
        ON deliveries.batch_id = batch_files.batch_id AND deliveries.file_number = batch_files.number AND deliveries.kind = 'first'
    WHERE batch_files.batch_id = batches.id
) AS sent;
COMMENT ON VIEW batches_with_state IS
    'A batch with its files, and with the state that follows from its steps and those of the first deliveries of all its files.';
