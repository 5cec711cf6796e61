-- requires: candidates
-- Freezes every value that the file will show, user by user, and numbers the lines; transaction ids follow the numbers.
-- A reversal, and a credit for a charge that the same bursar received, names the transaction that it reverses. :charge_profiles
-- are the profile itself and those whose credits and reversals it sends.
WITH numbered AS MATERIALIZED (
    SELECT fine_id, user_id, identifier, amount, reversal, row_number() OVER (ORDER BY user_id, fine_id) AS number
    FROM candidates WHERE reason IS NULL
), sent AS NOT MATERIALIZED (
    SELECT fine_id, transaction_id, nullif(profile, (SELECT profile FROM batches WHERE id = :batch_id)) AS charge_profile
    FROM exported_fines
    WHERE profile = ANY (CAST(:charge_profiles AS text[]))
), reversed AS MATERIALIZED (
    SELECT numbered.number, sent.transaction_id, sent.charge_profile
    FROM numbered JOIN sent ON sent.fine_id = numbered.fine_id
    WHERE numbered.reversal
    UNION ALL
    SELECT numbered.number, coalesce(sent.transaction_id,
               CAST(:prefix AS text) || (CAST(:first_transaction_id AS bigint) + charges.number - 1)),
           sent.charge_profile
    FROM fines AS credits
    JOIN numbered ON numbered.fine_id = credits.id AND NOT numbered.reversal
    LEFT JOIN sent ON sent.fine_id = credits.reverses
    LEFT JOIN numbered AS charges ON charges.fine_id = credits.reverses AND NOT charges.reversal
    WHERE credits.reverses IS NOT NULL AND credits.balance < 0
)
INSERT INTO batch_lines (batch_id, number, transaction_id, fine_id, user_id, identifier, patron_name, fine_fee_type, comment,
                   owner_library_id, owner_library_code, last_transaction_at, item_id, item_title, item_call_number,
                   item_library, item_location, item_internal_location, item_due_date, item_barcode, currency, amount, vat,
                   reversal, reversed_transaction_id, charge_profile)
SELECT :batch_id, numbered.number, CAST(:prefix AS text) || (CAST(:first_transaction_id AS bigint) + numbered.number - 1),
       fines.id, users.id, numbered.identifier, concat_ws(', ', users.last_name, nullif(users.first_name, '')),
       CASE WHEN numbered.reversal THEN 'CREDIT' ELSE fines.fine_fee_type END,
       CASE WHEN numbered.reversal THEN 'Reverses transaction ' || reversed.transaction_id || ': settled at the library'
            WHEN reversed.transaction_id IS NULL OR fines.comment LIKE '%transaction ' || reversed.transaction_id
                THEN fines.comment
            ELSE concat_ws('; ', nullif(fines.comment, ''), 'Reverses transaction ' || reversed.transaction_id) END,
       owners.id, owners.code, fines.last_transaction_at,
       items.id, items.title, items.call_number, item_libraries.name, items.location, items.internal_location,
       fines.item_due_date, items.barcode, fines.currency, numbered.amount, CASE WHEN NOT numbered.reversal THEN fines.vat END,
       numbered.reversal, reversed.transaction_id, reversed.charge_profile
FROM numbered
JOIN fines ON fines.id = numbered.fine_id
JOIN users ON users.id = numbered.user_id
LEFT JOIN reversed ON reversed.number = numbered.number
LEFT JOIN libraries AS owners ON owners.code = fines.owner_library
LEFT JOIN items ON items.id = fines.item_id
LEFT JOIN libraries AS item_libraries ON item_libraries.code = items.library
ORDER BY numbered.number;    -- so that the order on disk is the order of reading
