-- Payments from the bursar: the files, their records, and what each record did.

-- What the sensor saw, so that it can tell a file that has settled from one that still grows.
CREATE TABLE observed_files (
    profile  text        NOT NULL,
    name     text        NOT NULL,
    size     bigint      NOT NULL,
    modified timestamptz NOT NULL,
    since    timestamptz NOT NULL DEFAULT now(),     -- since when size and time have stayed the same
    PRIMARY KEY (profile, name)
);

-- One file of payments. Its moments are the truth; its state follows from them.
CREATE TABLE import_files (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    profile       text        NOT NULL,
    run_id           text        NOT NULL,              -- the Airflow run that read it first
    name          text        NOT NULL,
    size          bigint      NOT NULL,
    modified      timestamptz NOT NULL,
    sha256        text        NOT NULL,
    amount_mode       text        NOT NULL CHECK (amount_mode IN ('incremental', 'cumulative')),
    records       integer,
    totals        jsonb,                             -- {currency as in the file, or empty: sum as text}, as the reader counted
    rejection       text,                              -- why the whole file was refused, with its line
    outcomes      jsonb,                             -- {outcome: {records, sums: {currency: text}, applied: {currency: text}}}
    registered_at timestamptz NOT NULL DEFAULT now(),
    read_at       timestamptz,
    applied_at    timestamptz,
    rejected_at    timestamptz,
    state text GENERATED ALWAYS AS (
        CASE WHEN rejected_at IS NOT NULL THEN 'REJECTED'
             WHEN applied_at IS NOT NULL THEN 'APPLIED'
             WHEN read_at IS NOT NULL THEN 'READ'
             ELSE 'REGISTERED' END) STORED,
    UNIQUE (sha256)                                  -- the same bytes once, whatever folder they come to
);

-- Each time that a file lay in the bursar's folder; the same bytes may come again under any name.
CREATE TABLE file_arrivals (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    file_id     bigint      NOT NULL REFERENCES import_files,
    profile     text        NOT NULL,
    run_id         text        NOT NULL,
    name        text        NOT NULL,
    size        bigint      NOT NULL,
    modified    timestamptz NOT NULL,
    archived_at timestamptz,
    archived_path text,
    UNIQUE (profile, run_id, name)
);

-- The records of a file as they stand in it, and then what became of each.
CREATE TABLE import_records (
    file_id        bigint  NOT NULL,
    number         integer NOT NULL,
    line           integer NOT NULL,
    transaction_id text,
    internal_id    text,
    currency       text,
    sum            text,
    problem        text,                             -- what the reader found wrong with this record
    -- Set when the file is applied.
    amount         numeric(14, 3),                   -- the sum as money
    fine_id        bigint,
    matched_id     text,                             -- the transaction id of the line that it was matched to
    outcome        text CHECK (outcome IN ('PAID', 'PARTLY_PAID', 'OVERPAID', 'ALREADY_SETTLED', 'NO_PAYMENT',
                                           'UNMATCHED', 'CURRENCY_MISMATCH', 'INVALID')),
    applied        numeric(14, 3),                   -- what left the outstanding amount
    credit_amount       numeric(14, 3),                   -- what became a credit
    reason         text,
    PRIMARY KEY (file_id, number)
);

CREATE INDEX import_records_of_fine ON import_records (fine_id) WHERE fine_id IS NOT NULL;
CREATE INDEX import_records_of_transaction ON import_records (matched_id) WHERE matched_id IS NOT NULL;

ALTER TABLE journal_entries ADD COLUMN import_file_id bigint, ADD COLUMN import_record integer;
ALTER TABLE journal_entries DROP CONSTRAINT journal_entries_entry_type_check;
ALTER TABLE journal_entries ADD CONSTRAINT journal_entries_entry_type_check CHECK (entry_type IN (
    'CHARGED', 'PAID', 'WAIVED', 'REFUNDED', 'DISPUTED', 'DISPUTE_SETTLED',
    'EXPORTED', 'EXPORTED_AND_PAID', 'PAID_AT_BURSAR'));

-- As in 0001, and: what the bursar reports as paid makes a fine TRANSFERRED, whether all of it is paid or not.
CREATE OR REPLACE FUNCTION apply_journal_entries() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wanted  bigint;
    moved   bigint;
    claimed record;
BEGIN
    WITH change AS MATERIALIZED (
        SELECT fine_id, sum(balance_change) AS balance, sum(outstanding_change) AS outstanding, max(posted_at) AS posted_at,
               (array_agg(entry_type ORDER BY id DESC))[1] AS entry_type
        FROM entries GROUP BY fine_id
    ), updated AS (
        UPDATE fines SET
            balance = fines.balance + change.balance,
            outstanding = fines.outstanding + change.outstanding,
            last_transaction_at = greatest(fines.last_transaction_at, change.posted_at),
            status = CASE
                WHEN change.entry_type = 'DISPUTED' THEN 'DISPUTED'
                WHEN change.entry_type = 'PAID_AT_BURSAR' THEN 'TRANSFERRED'
                WHEN fines.balance + change.balance <> 0 THEN
                    CASE WHEN change.entry_type = 'DISPUTE_SETTLED' OR fines.status <> 'DISPUTED' THEN 'ACTIVE' ELSE 'DISPUTED' END
                WHEN fines.status = 'TRANSFERRED' THEN 'TRANSFERRED'
                ELSE 'CLOSED' END
        FROM change WHERE fines.id = change.fine_id
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM change), (SELECT count(*) FROM updated) INTO wanted, moved;
    IF moved <> wanted THEN
        RAISE EXCEPTION 'a journal entry names a fine that does not exist' USING ERRCODE = 'BU003';
    END IF;

    SELECT entries.fine_id, batch_claims.batch_id INTO claimed
    FROM entries JOIN batch_claims USING (fine_id)
    WHERE entries.batch_id IS DISTINCT FROM batch_claims.batch_id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'fine % is on its way to the bursar in batch %', claimed.fine_id, claimed.batch_id
            USING ERRCODE = 'BU001';
    END IF;
    RETURN NULL;
END $$;
