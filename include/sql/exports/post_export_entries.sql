-- Posts one entry for each line of a partition of a delivered batch. Its amount is subtracted from the balance; if the
-- profile imports, it becomes outstanding, else it counts as paid. A reversal changes neither: it only reports what was
-- settled at the library. A credit for a charge of another profile becomes outstanding if that profile imported. The journal's
-- trigger closes the fines.
INSERT INTO journal_entries (fine_id, entry_type, balance_change, outstanding_change, reversal_change, batch_id)
SELECT batch_lines.fine_id,
       CASE WHEN batch_lines.reversal THEN 'REVERSED' WHEN bursar.imports THEN 'EXPORTED' ELSE 'EXPORTED_AND_PAID' END,
       CASE WHEN batch_lines.reversal THEN 0 ELSE -batch_lines.amount END,
       CASE WHEN bursar.imports AND NOT batch_lines.reversal THEN batch_lines.amount ELSE 0 END,
       CASE WHEN batch_lines.reversal THEN batch_lines.amount ELSE 0 END,
       batches.id
FROM batch_lines JOIN batches ON batches.id = batch_lines.batch_id
CROSS JOIN LATERAL (
    SELECT CASE WHEN batch_lines.charge_profile IS NULL THEN batches.import_active ELSE (
        SELECT batches_of_charges.import_active
        FROM batch_lines AS charges JOIN batches AS batches_of_charges ON batches_of_charges.id = charges.batch_id
        WHERE charges.transaction_id = batch_lines.reversed_transaction_id) END AS imports
) AS bursar
WHERE batches.id = :batch_id AND batch_lines.fine_id % :partition_count = :partition_number
ORDER BY batch_lines.fine_id;
