-- As before, in one update: PostgreSQL checks amount and balance of a fine after it, so their order does not matter. An entry that
-- charges a new fine changes no other one, and no batch can claim a fine that did not exist.
CREATE OR REPLACE FUNCTION apply_journal_entries() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    charges boolean;
    changes boolean;
    wanted  bigint;
    moved   bigint;
    claimed record;
BEGIN
    IF TG_RELID <> 'public.journal_entries'::regclass THEN
        RAISE EXCEPTION 'apply_journal_entries() is the trigger function of public.journal_entries, not of %', TG_RELID::regclass
            USING ERRCODE = 'insufficient_privilege';
    END IF;

    SELECT bool_or(entry_type = 'CHARGED'), bool_or(entry_type <> 'CHARGED') INTO charges, changes FROM entries;
    IF charges AND EXISTS (SELECT FROM entries LEFT JOIN fines ON fines.id = entries.fine_id
                           WHERE entries.entry_type = 'CHARGED' AND fines.id IS NULL) THEN
        RAISE EXCEPTION 'a journal entry names a fine that does not exist' USING ERRCODE = 'BU003';
    END IF;
    IF changes IS NOT TRUE THEN
        RETURN NULL;
    END IF;

    WITH change AS MATERIALIZED (
        SELECT fine_id, sum(balance_change) AS balance, sum(outstanding_change) AS outstanding,
               sum(reversal_change) AS pending_reversal, max(posted_at) AS posted_at,
               coalesce(sum(balance_change) FILTER (WHERE entry_type = 'ADJUSTED'), 0) AS amount, max(moved_to) AS moved_to,
               (array_agg(entry_type ORDER BY id DESC))[1] AS entry_type
        FROM entries WHERE entry_type <> 'CHARGED' GROUP BY fine_id
    ), updated AS (
        UPDATE fines SET
            amount = fines.amount + change.amount,
            user_id = coalesce(change.moved_to, fines.user_id),
            balance = fines.balance + change.balance,
            outstanding = fines.outstanding + change.outstanding,
            pending_reversal = fines.pending_reversal + change.pending_reversal,
            last_transaction_at = greatest(fines.last_transaction_at, change.posted_at),
            status = CASE
                WHEN change.entry_type = 'DISPUTED' THEN 'DISPUTED'
                WHEN change.entry_type = 'PAID_AT_BURSAR' THEN 'TRANSFERRED'    -- also if a part was paid
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
    WHERE entries.entry_type <> 'CHARGED' AND NOT batch_claims.reversal
      AND entries.batch_id IS DISTINCT FROM batch_claims.batch_id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'fine % is on its way to the bursar in batch %', claimed.fine_id, claimed.batch_id
            USING ERRCODE = 'BU001';
    END IF;
    RETURN NULL;
END $$;

-- As before, in the order of the entries: what loads reopen, they posted as settled before that. It is the money that they had
-- posted as paid by then, and then what they had posted as waived or cancelled; a later payment was not reopened. `paid_left` is
-- what loads posted as paid, less all that they reopened: as far as it has been below 0, something else was reopened.
CREATE OR REPLACE VIEW charge_totals AS
SELECT charges.id AS fine_id, charges.user_id, charges.amount, charges.balance, charges.outstanding,
       own.paid, own.paid_here, own.waived, credits.reversed, credits.given_back, credits.open AS open_credits,
       charges.amount - own.waived - credits.reversed AS reversible,
       own.paid - credits.given_back AS returnable
FROM fines AS charges
CROSS JOIN LATERAL (
    SELECT paid - (reopened - reopened_otherwise) AS paid, paid_here - (reopened - reopened_otherwise) AS paid_here,
           waived - (reopened_otherwise + least(waived_left, 0)) AS waived
    FROM (
        SELECT coalesce(-sum(balance_change + outstanding_change) FILTER (
                   WHERE entry_type IN ('PAID', 'REFUNDED', 'PAID_AT_BURSAR', 'EXPORTED_AND_PAID')), 0) AS paid,
               coalesce(-sum(balance_change + outstanding_change) FILTER (WHERE entry_type IN ('PAID', 'REFUNDED')), 0) AS paid_here,
               coalesce(-sum(balance_change + outstanding_change) FILTER (WHERE entry_type IN ('WAIVED', 'CANCELLED')), 0) AS waived,
               coalesce(sum(balance_change) FILTER (WHERE entry_type = 'REOPENED'), 0) AS reopened,
               coalesce(max(reopened_otherwise), 0) AS reopened_otherwise, min(waived_by_loads - reopened_otherwise) AS waived_left
        FROM (
            SELECT *, -least(min(paid_left) OVER (ORDER BY id), 0) AS reopened_otherwise
            FROM (
                SELECT *,
                       sum(-balance_change) FILTER (WHERE entry_type = 'PAID' AND load_id IS NOT NULL OR entry_type = 'REOPENED')
                           OVER (ORDER BY id) AS paid_left,
                       coalesce(sum(-balance_change) FILTER (WHERE entry_type IN ('WAIVED', 'CANCELLED') AND load_id IS NOT NULL)
                           OVER (ORDER BY id), 0) AS waived_by_loads
                FROM journal_entries WHERE journal_entries.fine_id = charges.id
            ) AS entries
        ) AS entries
    ) AS sums
) AS own
CROSS JOIN LATERAL (
    SELECT coalesce(-sum(balance_change) FILTER (WHERE entry_type IN ('CHARGED', 'ADJUSTED', 'WAIVED', 'CANCELLED')), 0) AS reversed,
           coalesce(sum(balance_change) FILTER (WHERE entry_type IN ('PAID', 'EXPORTED', 'EXPORTED_AND_PAID')), 0)
               - coalesce(sum(outstanding_change) FILTER (WHERE entry_type = 'REVERSED'), 0) AS given_back,
           coalesce(-sum(balance_change), 0) AS open
    FROM fines AS credits JOIN journal_entries ON journal_entries.fine_id = credits.id
    WHERE credits.reverses = charges.id
      AND NOT EXISTS (SELECT FROM journal_entries AS entry
                      WHERE entry.fine_id = credits.id AND entry.entry_type = 'CHARGED' AND entry.import_file_id IS NOT NULL)
) AS credits
WHERE charges.amount > 0;
