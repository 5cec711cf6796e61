-- requires: incoming_fines
-- Adds the fines that the ledger does not know, together with the entries that charge them.
WITH added AS (
    INSERT INTO fines (source_id, source, source_amount, source_balance, source_status, user_id, item_id, owner_library,
                       fine_fee_type, currency, amount, vat, comment, item_due_date, created_at)
    SELECT incoming.source_id, :source, incoming.amount,
           CASE WHEN incoming.status = 'cancelled' THEN 0 ELSE incoming.balance END, incoming.status, incoming.user_id, items.id,
           incoming.owner_library, incoming.fine_fee_type, incoming.currency, incoming.amount, incoming.vat, incoming.comment,
           incoming.item_due_date, incoming.created_at
    FROM incoming_fines AS incoming
    LEFT JOIN items ON items.barcode = incoming.item_barcode
    WHERE incoming.is_new
    ORDER BY incoming.line
    RETURNING id, amount, created_at
)
INSERT INTO journal_entries (fine_id, entry_type, balance_change, posted_at, load_id)
SELECT id, 'CHARGED', amount, created_at, :load_id FROM added;
