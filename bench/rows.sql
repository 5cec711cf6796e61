-- The rows of the exported file, in its order.
COPY (
    SELECT fines.user_id, identifiers.value, concat_ws(', ', users.last_name, nullif(users.first_name, '')), fines.fine_fee_type,
           fines.comment, owners.id, owners.code, fines.last_transaction_at, items.title, items.call_number,
           item_libraries.name, items.location, items.internal_location, fines.item_due_date, items.barcode, fines.currency,
           fines.balance, fines.vat, fines.id
    FROM fines
    JOIN users ON users.id = fines.user_id
    JOIN identifiers ON identifiers.user_id = users.id AND identifiers.type = '02'
    LEFT JOIN libraries AS owners ON owners.code = fines.owner_library
    LEFT JOIN items ON items.id = fines.item_id
    LEFT JOIN libraries AS item_libraries ON item_libraries.code = items.library
    WHERE fines.balance <> 0
    ORDER BY fines.user_id, fines.id
) TO STDOUT
