-- Reversals: what the library settles of a fine that the bursar holds, the bursar must hear of.

-- What was settled here and the bursar has not been told yet. Like balance and outstanding, the sum of the journal.
ALTER TABLE journal_entries ADD COLUMN reversal_change numeric(14, 3) NOT NULL DEFAULT 0;
ALTER TABLE fines ADD COLUMN pending_reversal numeric(14, 3) NOT NULL DEFAULT 0;
ALTER TABLE fines ADD CONSTRAINT reverses_no_more_than_charged CHECK (
    pending_reversal >= 0 AND (pending_reversal = 0 OR abs(balance) + abs(outstanding) + pending_reversal <= amount));
CREATE INDEX fines_to_reverse ON fines (id) WHERE pending_reversal <> 0;
CREATE INDEX fines_that_reverse ON fines (reverses) WHERE reverses IS NOT NULL;

ALTER TABLE journal_entries DROP CONSTRAINT journal_entries_entry_type_check;
ALTER TABLE journal_entries ADD CONSTRAINT journal_entries_entry_type_check CHECK (entry_type IN (
    'CHARGED', 'PAID', 'WAIVED', 'REFUNDED', 'DISPUTED', 'DISPUTE_SETTLED',
    'EXPORTED', 'EXPORTED_AND_PAID', 'PAID_AT_BURSAR', 'REVERSED'));
-- Whoever settles at the library what is outstanding, the desk or a job, can't forget the bursar.
ALTER TABLE journal_entries ADD CONSTRAINT the_bursar_hears_of_it CHECK (
    entry_type NOT IN ('PAID', 'WAIVED') OR reversal_change = -outstanding_change);

CREATE INDEX journal_settled_here ON journal_entries (fine_id)
    WHERE outstanding_change <> 0 AND entry_type IN ('PAID', 'WAIVED', 'REVERSED');

-- A line that reverses names the transaction that it takes back. A reversal is a line about a charge that was settled at the
-- library; a credit that takes a charge back is a fine of its own.
ALTER TABLE batch_lines ADD COLUMN reversal boolean NOT NULL DEFAULT false, ADD COLUMN reversed_transaction_id text;

-- A fine whose reversal is on its way stands here a second time; that holds nobody up.
ALTER TABLE batch_claims ADD COLUMN reversal boolean NOT NULL DEFAULT false;
ALTER TABLE batch_claims DROP CONSTRAINT batch_claims_pkey, ADD PRIMARY KEY (fine_id, reversal);

-- To which bursar each exported fine went, and under which transaction id. A fine goes out once.
CREATE VIEW exported_fines AS
SELECT batch_lines.fine_id, batch_lines.transaction_id, batch_lines.batch_id, batches.profile, batches.import_active
FROM batch_lines JOIN batches ON batches.id = batch_lines.batch_id
WHERE batches.closed_at IS NOT NULL AND NOT batch_lines.reversal;

-- What a payment covered that had been settled at the library already: it pays nothing and makes no credit.
ALTER TABLE import_records ADD COLUMN already_settled numeric(14, 3);

-- As in 0002, and: what is to be reversed follows the journal, what the library settles of an exported fine closes it, and a
-- reversal on its way claims nothing of the fine itself.
CREATE OR REPLACE FUNCTION apply_journal_entries() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wanted  bigint;
    moved   bigint;
    claimed record;
BEGIN
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
