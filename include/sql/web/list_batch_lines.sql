-- A page of the lines of a batch, after the line :after: as in the file, and what is outstanding today.
SELECT lines.number, lines.transaction_id, lines.fine_id, lines.user_id, lines.identifier, lines.patron_name, lines.fine_fee_type,
       lines.reversed_transaction_id, lines.currency, lines.amount, fines.outstanding, fines.status
FROM batch_lines AS lines
JOIN fines ON fines.id = lines.fine_id
WHERE lines.batch_id = :batch_id AND lines.number > :after
ORDER BY lines.number
LIMIT :limit;
