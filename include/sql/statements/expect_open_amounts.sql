-- requires: expected_amounts, named_lines
-- Writes what is outstanding of the fines that a profile exported, and of those that the lines name or whose users they name. The bursar
-- may as well have another amount: with a reversal or an export that is on its way, or as it was at some moment since :since.
INSERT INTO expected_amounts
WITH chosen AS (
    SELECT id FROM fines WHERE outstanding <> 0 OR pending_reversal <> 0
    UNION
    SELECT fine_id FROM named_lines WHERE fine_id IS NOT NULL
    UNION
    SELECT batch_lines.fine_id
    FROM (SELECT DISTINCT identifier FROM named_lines WHERE fine_id IS NULL AND identifier IS NOT NULL) AS named
    JOIN batch_lines ON batch_lines.identifier = named.identifier
    JOIN fines ON fines.id = batch_lines.fine_id
    WHERE fines.last_transaction_at >= :since OR fines.id IN (SELECT fine_id FROM batch_claims)
)
SELECT fines.id, sent.transaction_id, fines.user_id, sent.identifier, sent.item_barcode, fines.currency, fines.outstanding,
       array_remove(ARRAY[CASE WHEN fines.pending_reversal <> 0 THEN fines.outstanding + fines.pending_reversal END,
                          CASE WHEN sent.closed_at IS NULL THEN fines.outstanding + sent.amount END], NULL) || coalesce(earlier.amounts, '{}')
FROM chosen
JOIN fines ON fines.id = chosen.id
CROSS JOIN LATERAL (
    SELECT batch_lines.transaction_id, batch_lines.identifier, batch_lines.item_barcode, batch_lines.amount, batches.closed_at,
           coalesce(batch_lines.charge_profile, batches.profile) = :profile OR batches.profile = :profile AND EXISTS (
               SELECT FROM named_lines WHERE named_lines.fine_id = fines.id) AS is_own
    FROM batch_lines JOIN batches ON batches.id = batch_lines.batch_id
    WHERE batch_lines.fine_id = fines.id AND NOT batch_lines.reversal AND batches.released_at IS NULL
    ORDER BY batch_lines.batch_id DESC LIMIT 1
) AS sent
LEFT JOIN LATERAL (
    SELECT array_agg(DISTINCT level.amount) AS amounts
    FROM (
        SELECT sum(outstanding_change) OVER later AS outstanding_change, sum(reversal_change) OVER later AS reversal_change
        FROM journal_entries
        WHERE journal_entries.fine_id = fines.id AND fines.last_transaction_at >= :since AND posted_at >= :since
              AND (outstanding_change <> 0 OR reversal_change <> 0)
        WINDOW later AS (ORDER BY id DESC)
    ) AS changes
    CROSS JOIN LATERAL (VALUES (fines.outstanding - outstanding_change),
                               (fines.outstanding + fines.pending_reversal - outstanding_change - reversal_change)) AS level (amount)
) AS earlier ON true
WHERE sent.is_own;
