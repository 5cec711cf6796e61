-- Returns the number of fines of some kinds of each user of a batch, in the order of the lines.
SELECT count(*) FROM batch_lines
WHERE batch_id = :batch_id AND line_kind(amount, reversal, reversed_transaction_id) = ANY (CAST(:kinds AS text[]))
GROUP BY user_id ORDER BY min(number);
