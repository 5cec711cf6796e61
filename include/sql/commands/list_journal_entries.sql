-- The journal of a fine, oldest entry first, with the file that it was exported in or paid by.
SELECT journal_entries.posted_at, journal_entries.entry_type, journal_entries.balance_change,
       journal_entries.outstanding_change, journal_entries.comment, journal_entries.posted_by, journal_entries.load_id,
       journal_entries.moved_to, journal_entries.batch_id,
       batches.profile, batches.file_name, batches.remote_folder, batch_lines.transaction_id, batch_lines.reversed_transaction_id,
       journal_entries.reversal_change, import_records.reason, import_files.name AS payment_file,
       import_records.line AS payment_line, import_records.outcome, import_records.credit_amount,
       import_records.held_amount, import_records.held_decision, import_records.decided_by, import_records.released_credit_id
FROM journal_entries
LEFT JOIN batches_with_state AS batches ON batches.id = journal_entries.batch_id
LEFT JOIN batch_lines ON batch_lines.batch_id = journal_entries.batch_id
     AND batch_lines.fine_id = journal_entries.fine_id
     AND batch_lines.reversal = (journal_entries.reversal_change <> 0)
     AND (journal_entries.entry_type <> 'REVERSED' OR batch_lines.reversal)
LEFT JOIN import_files ON import_files.id = journal_entries.import_file_id
LEFT JOIN import_records ON import_records.file_id = journal_entries.import_file_id
     AND import_records.number = journal_entries.import_record
WHERE journal_entries.fine_id = :fine_id
ORDER BY journal_entries.id;
