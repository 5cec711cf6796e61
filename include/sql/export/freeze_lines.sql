-- Freezes every value that the file will show, user by user, and numbers the lines; transaction ids follow the numbers.
INSERT INTO lines (batch_id, number, transaction_id, fine_id, user_id, identifier, patron_name, fine_fee_type, comment,
                   owner_library_id, owner_library_code, last_transaction_at, item_id, item_title, item_call_number,
                   item_library, item_location, item_internal_location, item_due_date, item_barcode, currency, amount, vat)
SELECT :batch_id, numbered.number, CAST(:prefix AS text) || (CAST(:first_transaction_id AS bigint) + numbered.number - 1),
       fines.id, users.id, numbered.identifier, concat_ws(', ', users.last_name, nullif(users.first_name, '')),
       fines.fine_fee_type, fines.comment, owners.id, owners.code, fines.last_transaction_at,
       items.id, items.title, items.call_number, item_libraries.name, items.location, items.internal_location,
       fines.item_due_date, items.barcode, fines.currency, fines.balance, fines.vat
FROM (SELECT fine_id, user_id, identifier, row_number() OVER (ORDER BY user_id, fine_id) AS number
      FROM judged WHERE reason IS NULL) AS numbered
JOIN fines ON fines.id = numbered.fine_id
JOIN users ON users.id = numbered.user_id
LEFT JOIN libraries AS owners ON owners.code = fines.owner_library
LEFT JOIN items ON items.id = fines.item_id
LEFT JOIN libraries AS item_libraries ON item_libraries.code = items.library;
