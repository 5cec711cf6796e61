-- Returns the batch that exported a fine to the bursar, if any.
SELECT journal_entries.batch_id, batch_lines.transaction_id
FROM journal_entries LEFT JOIN batch_lines ON batch_lines.batch_id = journal_entries.batch_id AND batch_lines.fine_id = journal_entries.fine_id
WHERE journal_entries.fine_id = :fine_id AND journal_entries.entry_type IN ('EXPORTED', 'EXPORTED_AND_PAID');
