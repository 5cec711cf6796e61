-- The fine with this internal id, and the fine that was exported under this transaction id.
SELECT fines.id
FROM fines
WHERE fines.id = CASE WHEN :wanted ~ '^[0-9]{1,18}$' THEN CAST(:wanted AS bigint) END
UNION
SELECT batch_lines.fine_id FROM batch_lines WHERE batch_lines.transaction_id = :wanted
ORDER BY 1;
