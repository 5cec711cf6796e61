-- requires: candidates
-- Returns the candidates that are selected so far with the values that their lines will have, as `insert_batch_lines`
-- freezes them. Numbers and new transaction ids are not known yet: each line has the longest one.
SELECT candidates.fine_id, candidates.reversal, candidates.user_id, next_id.number, next_id.longest AS transaction_id,
       candidates.identifier, concat_ws(', ', users.last_name, nullif(users.first_name, '')) AS patron_name,
       CASE WHEN candidates.reversal THEN 'CREDIT' ELSE fines.fine_fee_type END AS fine_fee_type,
       CASE WHEN candidates.reversal THEN 'Reverses transaction ' || sent.transaction_id || ': settled at the library'
            WHEN reversed.transaction_id IS NULL OR fines.comment LIKE '%transaction ' || reversed.transaction_id
                THEN fines.comment
            ELSE concat_ws('; ', nullif(fines.comment, ''), 'Reverses transaction ' || reversed.transaction_id) END AS comment,
       owners.id AS owner_library_id, owners.code AS owner_library_code, fines.last_transaction_at,
       items.title AS item_title, items.call_number AS item_call_number, item_libraries.name AS item_library,
       items.location AS item_location, fines.item_due_date, items.barcode AS item_barcode, fines.currency, candidates.amount,
       CASE WHEN NOT candidates.reversal THEN fines.vat END AS vat,
       reversed.transaction_id AS reversed_transaction_id
FROM candidates
JOIN fines ON fines.id = candidates.fine_id
JOIN users ON users.id = candidates.user_id
CROSS JOIN (
    SELECT number, CAST(:prefix AS text) || (greatest(next, :start) + number) AS longest
    FROM transaction_ids, (SELECT count(*) AS number FROM candidates WHERE reason IS NULL) AS selected
) AS next_id
LEFT JOIN exported_fines AS sent
    ON sent.profile = ANY (CAST(:charge_profiles AS text[])) AND sent.fine_id = CASE WHEN candidates.reversal THEN fines.id ELSE fines.reverses END
LEFT JOIN candidates AS charges
    ON NOT candidates.reversal AND charges.fine_id = fines.reverses AND NOT charges.reversal AND charges.reason IS NULL
LEFT JOIN libraries AS owners ON owners.code = fines.owner_library
LEFT JOIN items ON items.id = fines.item_id
LEFT JOIN libraries AS item_libraries ON item_libraries.code = items.library
CROSS JOIN LATERAL (
    SELECT CASE WHEN candidates.reversal OR fines.reverses IS NOT NULL AND fines.balance < 0
                THEN coalesce(sent.transaction_id, CASE WHEN charges.fine_id IS NOT NULL THEN next_id.longest END) END AS transaction_id
) AS reversed
WHERE candidates.reason IS NULL
