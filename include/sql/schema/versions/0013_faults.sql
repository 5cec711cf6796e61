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
    removed_at    timestamptz                       -- when Bursar had removed the part, as the server confirmed
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
         WHEN uploaded_at IS NOT NULL THEN 'PART_COMPLETE'
         WHEN upload_started_at IS NOT NULL THEN 'UPLOADING'
         WHEN built_at IS NOT NULL THEN 'BUILT'
         ELSE 'SELECTED' END);


-- Rights.

-- Only the owner makes triggers of the ledger's trigger functions. New functions are executable by nobody else from the start.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION reject_changes_of_fine, reject_changes_of_journal, apply_journal_entries, reject_entries_for_deleted_users FROM PUBLIC;

-- As in 0003, and: it updates fines with the rights of its owner, for every role that may insert into the journal. As the
-- trigger of another table it would post entries that are not in the journal, and columns of a type made by the caller could
-- run the caller's code with these rights. So it refuses any other table before it looks at the rows.
CREATE OR REPLACE FUNCTION apply_journal_entries() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    wanted  bigint;
    moved   bigint;
    claimed record;
BEGIN
    IF TG_RELID <> 'public.journal_entries'::regclass THEN
        RAISE EXCEPTION 'apply_journal_entries() is the trigger function of public.journal_entries, not of %', TG_RELID::regclass
            USING ERRCODE = 'insufficient_privilege';
    END IF;

    WITH change AS MATERIALIZED (
        SELECT fine_id, sum(balance_change) AS balance, sum(outstanding_change) AS outstanding,
               sum(reversal_change) AS pending_reversal, max(posted_at) AS posted_at, (array_agg(entry_type ORDER BY id DESC))[1] AS entry_type
        FROM entries GROUP BY fine_id
    ), updated AS (
        UPDATE fines SET
            balance = fines.balance + change.balance,
            outstanding = fines.outstanding + change.outstanding,
            pending_reversal = fines.pending_reversal + change.pending_reversal,
            last_transaction_at = greatest(fines.last_transaction_at, change.posted_at),
            status = CASE
                WHEN change.entry_type = 'DISPUTED' THEN 'DISPUTED'
                WHEN change.entry_type = 'PAID_AT_BURSAR' THEN 'TRANSFERRED'
                WHEN fines.balance + change.balance <> 0 THEN
                    CASE WHEN change.entry_type = 'DISPUTE_SETTLED' OR fines.status <> 'DISPUTED' THEN 'ACTIVE' ELSE 'DISPUTED' END
                WHEN fines.status = 'TRANSFERRED' AND (change.outstanding = 0 OR fines.outstanding + change.outstanding <> 0)
                    THEN 'TRANSFERRED'
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
    WHERE NOT batch_claims.reversal AND entries.batch_id IS DISTINCT FROM batch_claims.batch_id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'fine % is on its way to the bursar in batch %', claimed.fine_id, claimed.batch_id
            USING ERRCODE = 'BU001';
    END IF;
    RETURN NULL;
END $$;

-- A temporary table named users or fines does not take the place of the ledger's.
ALTER FUNCTION reject_entries_for_deleted_users() SET search_path = pg_catalog, public, pg_temp;

-- `LOCK TABLE fines_lock` locks the table fines: PostgreSQL locks the tables of a view with the rights of the view's owner. The
-- right to lock (MAINTAIN) permits nothing else on a view. On the table it would also permit VACUUM, CLUSTER and REINDEX.
CREATE VIEW fines_lock AS SELECT id FROM fines;

CREATE FUNCTION reject_reuse_of_transaction_ids() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the next transaction id is %: it can only increase', OLD.next USING ERRCODE = 'BU002';
END $$;

CREATE TRIGGER reject_reuse_of_transaction_ids BEFORE UPDATE ON transaction_ids
    FOR EACH ROW WHEN (NEW.next < OLD.next) EXECUTE FUNCTION reject_reuse_of_transaction_ids();


-- The desk and loads.

-- For each charge: how much of it was paid, and how much has been given up. Sums are positive. `paid` counts money paid at the
-- library and at a bursar, less refunds; a bursar who does not report has been paid. A credit that was waived reverses nothing. A
-- credit that is with a bursar has been given back, except as far as it was set off against its charge. A credit for an
-- overpayment reverses nothing: it gives back money that is not counted as paid here.
CREATE VIEW charge_totals AS
SELECT charges.id AS fine_id, charges.user_id, charges.amount, charges.balance, charges.outstanding,
       own.paid, own.paid_here, own.waived, credits.reversed, credits.given_back, credits.open AS open_credits,
       charges.amount - own.waived - credits.reversed AS reversible,
       own.paid - credits.given_back AS returnable
FROM fines AS charges
CROSS JOIN LATERAL (
    SELECT coalesce(-sum(balance_change + outstanding_change) FILTER (
               WHERE entry_type IN ('PAID', 'REFUNDED', 'PAID_AT_BURSAR', 'EXPORTED_AND_PAID')), 0) AS paid,
           coalesce(-sum(balance_change + outstanding_change) FILTER (WHERE entry_type IN ('PAID', 'REFUNDED')), 0) AS paid_here,
           coalesce(-sum(balance_change + outstanding_change) FILTER (WHERE entry_type = 'WAIVED'), 0) AS waived
    FROM journal_entries WHERE journal_entries.fine_id = charges.id
) AS own
CROSS JOIN LATERAL (
    SELECT coalesce(-sum(balance_change) FILTER (WHERE entry_type IN ('CHARGED', 'WAIVED')), 0) AS reversed,
           coalesce(sum(balance_change) FILTER (WHERE entry_type IN ('PAID', 'EXPORTED', 'EXPORTED_AND_PAID')), 0)
               - coalesce(sum(outstanding_change) FILTER (WHERE entry_type = 'REVERSED'), 0) AS given_back,
           coalesce(-sum(balance_change), 0) AS open
    FROM fines AS credits JOIN journal_entries ON journal_entries.fine_id = credits.id
    WHERE credits.reverses = charges.id
      AND NOT EXISTS (SELECT FROM journal_entries AS entry
                      WHERE entry.fine_id = credits.id AND entry.entry_type = 'CHARGED' AND entry.import_file_id IS NOT NULL)
) AS credits
WHERE charges.amount > 0;

-- The charges that can't be waived whole, because credits that are not open any more reverse them. Open credits do not count:
-- the jobs leave their users alone, or waive the credits too.
CREATE VIEW reversed_charges AS
SELECT fine_id, user_id FROM charge_totals
WHERE (balance <> 0 OR outstanding <> 0)
  AND fine_id IN (SELECT reverses FROM fines WHERE reverses IS NOT NULL)
  AND balance + outstanding > reversible + open_credits;


-- Imports.

-- What a person has to know about the archiving of a file, for the report of the run.
ALTER TABLE file_arrivals ADD COLUMN warning text;


-- Approvals and alerts.

-- How often people were asked to approve a batch; 0 if the upload found out that nobody had been asked.
ALTER TABLE approvals ADD COLUMN times_asked integer NOT NULL DEFAULT 1;    -- what is recorded by now was asked
ALTER TABLE approvals ALTER COLUMN times_asked SET DEFAULT 0;

SELECT 1;
