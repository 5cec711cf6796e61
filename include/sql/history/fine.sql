-- A fine as it stands: who owes it, for what, to whom, and how much is left where.
SELECT fines.id, fines.source_id, fines.fine_fee_type, fines.currency, fines.amount, fines.balance, fines.outstanding,
       fines.to_reverse, fines.status, fines.created_at, fines.comment, fines.reverses, fines.owner_library,
       concat_ws(', ', users.last_name, nullif(users.first_name, '')) AS patron_name,
       (SELECT value FROM identifiers WHERE identifiers.user_id = users.id AND type = 'userName') AS primary_id,
       items.title, items.barcode, claims.batch_id AS claimed_by, reversal.batch_id AS reversed_by,
       exported_fines.profile AS exported_by, exported_fines.transaction_id AS exported_as
FROM fines
JOIN users ON users.id = fines.user_id
LEFT JOIN items ON items.id = fines.item_id
LEFT JOIN claims ON claims.fine_id = fines.id AND NOT claims.reversal
LEFT JOIN claims AS reversal ON reversal.fine_id = fines.id AND reversal.reversal
LEFT JOIN exported_fines ON exported_fines.fine_id = fines.id
WHERE fines.id = :fine_id;
