-- The life of a fine: each entry of its journal, oldest first, with the file that it went out in or was paid by.
SELECT journal.at, journal.kind, journal.balance_change, journal.outstanding_change, journal.comment,
       journal.batch_id, batches.profile, batches.file_name, batches.remote_folder, lines.transaction_id,
       lines.reversed_transaction_id, journal.reversal_change, import_records.reason,
       import_files.name AS payment_file, import_records.line AS payment_line, import_records.outcome,
       import_records.amount AS paid, import_records.credited
FROM journal
LEFT JOIN batches ON batches.id = journal.batch_id
LEFT JOIN lines ON lines.batch_id = journal.batch_id AND lines.fine_id = journal.fine_id
     AND lines.reversal = (journal.reversal_change <> 0) AND (journal.kind <> 'REVERSED' OR lines.reversal)
LEFT JOIN import_files ON import_files.id = journal.import_file_id
LEFT JOIN import_records ON import_records.file_id = journal.import_file_id AND import_records.number = journal.import_record
WHERE journal.fine_id = :fine_id
ORDER BY journal.id;
