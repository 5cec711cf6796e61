-- The fines of a batch as its file shows them, below a line, or (NULL) from the first.
SELECT number, fine_id, patron_name, identifier, fine_fee_type, currency, amount, reversal
FROM batch_lines
WHERE batch_id = :batch_id AND number > coalesce(CAST(:after AS integer), 0)
ORDER BY number LIMIT :limit;
