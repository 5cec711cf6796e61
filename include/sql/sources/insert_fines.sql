-- requires: incoming_fines, staged_fines
-- Adds the fines that the ledger does not know, together with the entries that charge them.
WITH added AS (
    INSERT INTO fines (source_id, source, source_amount, source_balance, source_status, user_id, item_id, owner_library,
                       fine_fee_type, currency, amount, vat, comment, item_due_date, created_at)
    SELECT given.fine_id, :source, incoming.amount,
           CASE WHEN given.status = 'cancelled' THEN 0 ELSE incoming.balance END, given.status, incoming.user_id, items.id,
           given.owner_library, given.fine_fee_type, incoming.currency, incoming.amount, incoming.vat, given.comment,
           incoming.item_due_date, incoming.created_at
    FROM incoming_fines AS incoming
    JOIN staged_fines AS given ON given.line = incoming.line
    LEFT JOIN items ON items.barcode = given.item_barcode
    WHERE incoming.is_new
    ORDER BY incoming.line
    RETURNING id, amount, created_at
)
INSERT INTO journal_entries (fine_id, entry_type, balance_change, posted_at, load_id)
SELECT id, 'CHARGED', amount, created_at, :load_id FROM added;
