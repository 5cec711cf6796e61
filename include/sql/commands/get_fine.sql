-- A fine as it is now: its user, item and owner, its amounts, and the exports that hold it or have sent it.
SELECT fines.id, fines.source_id, fines.fine_fee_type, fines.currency, fines.amount, fines.balance, fines.outstanding,
       fines.pending_reversal, fines.status, fines.created_at, fines.comment, fines.reverses, fines.owner_library, fines.user_id,
       fines.source, fines.source_amount, fines.source_balance, fines.source_status,
       concat_ws(', ', users.last_name, nullif(users.first_name, '')) AS patron_name,
       (SELECT value FROM identifiers WHERE identifiers.user_id = users.id AND type = 'userName') AS primary_id,
       (SELECT string_agg(credits.id::text, ', ' ORDER BY credits.id) FROM fines AS credits
        WHERE credits.reverses = fines.id) AS reversed_by_credits,
       items.title, items.barcode, batch_claims.batch_id AS claimed_by, reversal.batch_id AS reversal_claimed_by,
       sent.profile AS sent_by, sent.transaction_id AS sent_as,
       charges.outstanding AS charge_outstanding, charge_sent.profile AS charge_sent_by,
       charge_sent.transaction_id AS charge_sent_as
FROM fines
JOIN users ON users.id = fines.user_id
LEFT JOIN items ON items.id = fines.item_id
LEFT JOIN batch_claims ON batch_claims.fine_id = fines.id AND NOT batch_claims.reversal
LEFT JOIN batch_claims AS reversal ON reversal.fine_id = fines.id AND reversal.reversal
LEFT JOIN exported_fines AS sent ON sent.fine_id = fines.id
LEFT JOIN fines AS charges ON charges.id = fines.reverses
LEFT JOIN exported_fines AS charge_sent ON charge_sent.fine_id = charges.id
WHERE fines.id = :fine_id;
