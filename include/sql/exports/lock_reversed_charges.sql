-- Locks the fines whose reversal is in a partition of a batch, in the order in which imports lock theirs: only these
-- may be paid while they are being closed.
SELECT id FROM fines
WHERE id = ANY (ARRAY(SELECT fine_id FROM batch_claims WHERE batch_id = :batch_id AND reversal AND fine_id % :partition_count = :partition_number))
ORDER BY id FOR UPDATE;
