-- requires: incoming_fines, staged_fines
-- Adds the fines that the ledger does not know, with a balance of 0: the journal charges them.
INSERT INTO fines (source_id, user_id, item_id, owner_library, fine_fee_type, currency, amount, vat, comment,
                   item_due_date, created_at)
SELECT given.fine_id, identifiers.user_id, items.id, given.owner_library, given.fine_fee_type, incoming.currency,
       incoming.amount, incoming.vat, given.comment, incoming.item_due_date, incoming.created_at
FROM incoming_fines AS incoming
JOIN staged_fines AS given ON given.line = incoming.line
JOIN identifiers ON identifiers.type = 'userName' AND identifiers.value = given.primary_id
LEFT JOIN items ON items.barcode = given.item_barcode
WHERE incoming.outcome = 'added'
ORDER BY incoming.line;
