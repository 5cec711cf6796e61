-- Exports.

CREATE TABLE batches (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,   -- exportNumber in the file
    profile          text NOT NULL,
    run_id           text NOT NULL,                         -- the Airflow run that selected it
    dry_run          boolean NOT NULL DEFAULT false,        -- claims nothing; only its file is built
    as_of            timestamptz NOT NULL,
    import_active    boolean NOT NULL,                      -- exported fines become outstanding; or else count as paid
    render_options   jsonb NOT NULL,                        -- the options that shape the file, besides the lines
    sftp_connection  text NOT NULL,
    output_file_path text NOT NULL,
    file_name        text NOT NULL,
    users            integer NOT NULL,
    fines            integer NOT NULL,
    totals           jsonb NOT NULL,                        -- {currency: {charges, credits}}
    skipped          jsonb NOT NULL,                        -- {reason: {fines, users, net: {currency: amount}}}
    file_size        bigint,
    sha256           text,
    selected_at      timestamptz NOT NULL DEFAULT now(),
    built_at         timestamptz,
    closed_at        timestamptz,
    released_at      timestamptz,
    closed_by_run_id text,                                  -- the run that completed a batch of another run
    CONSTRAINT dry_run_holds_no_fines CHECK (NOT dry_run OR (released_at IS NOT NULL AND closed_at IS NULL)),
    UNIQUE (id, dry_run)                                    -- for deliveries
);
COMMENT ON TABLE batches IS 'One export of one profile: its fines, amounts and file. Its state is in the view batches_with_state.';

CREATE UNIQUE INDEX batches_profile_run_id ON batches (profile, run_id) WHERE released_at IS NULL;
CREATE INDEX batches_unfinished ON batches (profile) WHERE closed_at IS NULL AND released_at IS NULL;

CREATE TABLE batch_lines (
    batch_id                bigint  NOT NULL,
    number                  integer NOT NULL,
    transaction_id          text    NOT NULL UNIQUE,
    reversal                boolean NOT NULL DEFAULT false, -- of a charge that was settled at the library after its export
    reversed_transaction_id text,                           -- the transaction that a reversal or a credit takes back
    fine_id                 bigint  NOT NULL,
    user_id                 bigint  NOT NULL,
    identifier              text    NOT NULL,
    patron_name             text    NOT NULL,
    fine_fee_type           text    NOT NULL,
    comment                 text,
    owner_library_id        text,
    owner_library_code      text,
    last_transaction_at     timestamptz NOT NULL,
    item_id                 bigint,
    item_title              text,
    item_call_number        text,
    item_library            text,
    item_location           text,
    item_internal_location  text,
    item_due_date           timestamptz,
    item_barcode            text,
    currency                text    NOT NULL,
    amount                  numeric(14, 3) NOT NULL,
    vat                     numeric(14, 3),
    PRIMARY KEY (batch_id, number)
);
COMMENT ON TABLE batch_lines IS 'A fine as the file of a batch shows it, frozen at the selection.';
COMMENT ON COLUMN batch_lines.batch_id IS 'references batches';
COMMENT ON COLUMN batch_lines.fine_id IS 'references fines';
COMMENT ON COLUMN batch_lines.user_id IS 'references users';
COMMENT ON COLUMN batch_lines.item_id IS 'references items';

CREATE INDEX batch_lines_fine_id ON batch_lines (fine_id);

CREATE TABLE batch_claims (
    fine_id  bigint NOT NULL,
    batch_id bigint NOT NULL,
    reversal boolean NOT NULL DEFAULT false,                -- claims the reversal; the fine itself stays free
    PRIMARY KEY (fine_id, reversal)                         -- keeps two exports from selecting the same fine
);
COMMENT ON TABLE batch_claims IS 'A fine, or the reversal of one, that an unfinished batch has selected.';
COMMENT ON COLUMN batch_claims.fine_id IS 'references fines';
COMMENT ON COLUMN batch_claims.batch_id IS 'references batches';

CREATE TABLE closed_partitions (
    batch_id         bigint   NOT NULL,
    partition_number smallint NOT NULL,                     -- that of a fine is its id modulo partition_count
    partition_count  smallint NOT NULL,
    fines            integer  NOT NULL,
    PRIMARY KEY (batch_id, partition_number)                -- a partition is closed once, by whatever worker
);
COMMENT ON TABLE closed_partitions IS 'A part of a batch whose fines one transaction closed, and this row with them.';
COMMENT ON COLUMN closed_partitions.batch_id IS 'references batches';

CREATE TABLE transaction_ids (
    singleton boolean PRIMARY KEY DEFAULT true CONSTRAINT only_one_row CHECK (singleton),
    next      bigint NOT NULL                               -- increased by the transaction that selects
);
COMMENT ON TABLE transaction_ids IS 'The next transaction id for a batch line: one row.';
INSERT INTO transaction_ids (next) VALUES (1);

CREATE FUNCTION reject_reuse_of_transaction_ids() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the next transaction id is %: it can only increase', OLD.next USING ERRCODE = 'BU002';
END $$;

CREATE TRIGGER reject_reuse_of_transaction_ids BEFORE UPDATE ON transaction_ids
    FOR EACH ROW WHEN (NEW.next < OLD.next) EXECUTE FUNCTION reject_reuse_of_transaction_ids();

-- The bursar (profile) and the transaction id of each exported fine. A fine is exported once.
CREATE VIEW exported_fines AS
SELECT batch_lines.fine_id, batch_lines.transaction_id, batch_lines.batch_id, batches.profile, batches.import_active
FROM batch_lines JOIN batches ON batches.id = batch_lines.batch_id
WHERE batches.closed_at IS NOT NULL AND NOT batch_lines.reversal;
COMMENT ON VIEW exported_fines IS 'An exported fine, with its bursar (profile) and transaction id.';

-- Text as XML has it. A control character, which XML 1.0 forbids, becomes a space, so that words stay apart.
CREATE FUNCTION xml_text(value text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN value COLLATE "C" ~ '[&<>\u0001-\u0008\u000B-\u001F\u007F\uFFFE\uFFFF]' THEN
        replace(replace(replace(replace(
            regexp_replace(value COLLATE "C", '[\u0001-\u0008\u000B\u000C\u000E-\u001F\u007F\uFFFE\uFFFF]', ' ', 'g'),
            '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), E'\r', '&#13;')
    ELSE value END
$$;
