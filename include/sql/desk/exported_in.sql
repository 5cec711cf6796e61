-- The export in which a fine went to the bursar, if it did.
SELECT journal.batch_id, lines.transaction_id
FROM journal LEFT JOIN lines ON lines.batch_id = journal.batch_id AND lines.fine_id = journal.fine_id
WHERE journal.fine_id = :fine_id AND journal.kind IN ('EXPORTED', 'EXPORTED_AND_PAID');
