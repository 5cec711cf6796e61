-- Few fines are found among many: what a step costs follows from what it is about.

-- As in 0004, and: the open fines come through an index of their own, whoever asks, for one user or for all. An export holds
-- only fines that are open by their sums; the second half is there should that ever fail to be so.
CREATE INDEX fines_considered_active ON fines (user_id) WHERE balance <> 0 OR outstanding <> 0 OR pending_reversal <> 0;
CREATE OR REPLACE VIEW active_fines AS
SELECT fines.id, fines.user_id, fines.currency, fines.balance, fines.outstanding, fines.pending_reversal, fines.status,
       (SELECT min(batch_id) FROM batch_claims WHERE batch_claims.fine_id = fines.id) AS claimed_by
FROM fines
WHERE fines.balance <> 0 OR fines.outstanding <> 0 OR fines.pending_reversal <> 0
UNION ALL
SELECT fines.id, fines.user_id, fines.currency, fines.balance, fines.outstanding, fines.pending_reversal, fines.status,
       held.batch_id
FROM (SELECT fine_id, min(batch_id) AS batch_id FROM batch_claims GROUP BY fine_id) AS held JOIN fines ON fines.id = held.fine_id
WHERE NOT (fines.balance <> 0 OR fines.outstanding <> 0 OR fines.pending_reversal <> 0);

-- All records of a transaction are records of one fine, so they are found by the fine.
DROP INDEX import_records_of_transaction;
