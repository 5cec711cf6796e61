-- Settles fines at the library as :entry_type, PAID or WAIVED: all that is open of each, or (:amount) a part. Open is
-- the balance and, of a charge that the bursar holds, the outstanding amount; the next export reports that settlement
-- to the bursar.
INSERT INTO journal_entries (fine_id, entry_type, balance_change, outstanding_change, reversal_change, comment, posted_by)
SELECT id, :entry_type, -sign(balance) * least(abs(balance), asked.amount), -held.settled, held.settled, :comment, :posted_by
FROM fines
CROSS JOIN LATERAL (SELECT coalesce(CAST(:amount AS numeric), greatest(abs(balance), outstanding)) AS amount) AS asked
CROSS JOIN LATERAL (SELECT least(greatest(outstanding, 0), asked.amount) AS settled) AS held
WHERE id = ANY (CAST(:fine_ids AS bigint[])) AND (balance <> 0 OR outstanding > 0);
