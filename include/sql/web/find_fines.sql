-- The fines that a text finds: by the internal id, by the id in the library system, by the id of a transaction.
SELECT fines.id, fines.user_id, fines.fine_fee_type, fines.status, fines.currency, fines.amount, fines.balance, fines.outstanding,
       concat_ws(', ', users.last_name, nullif(users.first_name, '')) AS patron_name,
       CASE WHEN found.transaction_id IS NOT NULL THEN 'transaction ' || found.transaction_id ELSE '' END AS found_as
FROM (
    SELECT id, max(transaction_id) AS transaction_id FROM (
        SELECT id, NULL AS transaction_id FROM fines WHERE id = CASE WHEN :wanted ~ '^[0-9]{1,18}$' THEN CAST(:wanted AS bigint) END
        UNION ALL
        SELECT id, NULL FROM fines WHERE source_id = :wanted
        UNION ALL
        SELECT fine_id, transaction_id FROM batch_lines WHERE transaction_id = :wanted
    ) AS ways
    GROUP BY id
) AS found
JOIN fines ON fines.id = found.id
JOIN users ON users.id = fines.user_id
ORDER BY fines.id;
