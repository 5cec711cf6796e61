-- Posts one entry for each line of a partition of a delivered batch. Its amount is subtracted from the balance; if the
-- profile imports, it becomes outstanding, else it counts as paid. A reversal changes neither: it only reports what was
-- settled at the library. The journal's trigger closes the fines.
INSERT INTO journal_entries (fine_id, entry_type, balance_change, outstanding_change, reversal_change, batch_id)
SELECT batch_lines.fine_id,
       CASE WHEN batch_lines.reversal THEN 'REVERSED' WHEN batches.import_active THEN 'EXPORTED' ELSE 'EXPORTED_AND_PAID' END,
       CASE WHEN batch_lines.reversal THEN 0 ELSE -batch_lines.amount END,
       CASE WHEN batches.import_active AND NOT batch_lines.reversal THEN batch_lines.amount ELSE 0 END,
       CASE WHEN batch_lines.reversal THEN batch_lines.amount ELSE 0 END,
       batches.id
FROM batch_lines JOIN batches ON batches.id = batch_lines.batch_id
WHERE batches.id = :batch_id AND batch_lines.fine_id % :partition_count = :partition_number
ORDER BY batch_lines.fine_id;
