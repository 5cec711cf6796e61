-- Writes one entry for each line of a share of a delivered batch. Its amount leaves the balance; where the profile imports, it
-- becomes outstanding, else it counts as paid. A reversal moves neither: the bursar has been told now, that is all. The
-- journal's trigger closes the fines.
INSERT INTO journal (fine_id, kind, balance_change, outstanding_change, reversal_change, batch_id)
SELECT lines.fine_id,
       CASE WHEN lines.reversal THEN 'REVERSED' WHEN batches.import_active THEN 'EXPORTED' ELSE 'EXPORTED_AND_PAID' END,
       CASE WHEN lines.reversal THEN 0 ELSE -lines.amount END,
       CASE WHEN batches.import_active AND NOT lines.reversal THEN lines.amount ELSE 0 END,
       CASE WHEN lines.reversal THEN lines.amount ELSE 0 END,
       batches.id
FROM lines JOIN batches ON batches.id = lines.batch_id
WHERE batches.id = :batch_id AND lines.fine_id % :shares = :share
ORDER BY lines.fine_id;
