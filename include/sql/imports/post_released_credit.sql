-- Creates the credit for a held overpayment, for the owner of the fine; the next export can send it. Returns its id.
WITH credits AS (
    INSERT INTO fines (user_id, item_id, owner_library, fine_fee_type, currency, amount, comment, created_at, reverses)
    SELECT fines.user_id, fines.item_id, fines.owner_library, 'CREDIT', fines.currency, -records.held_amount,
           'Overpaid at the bursar: transaction ' || records.matched_id, now(), fines.id
    FROM import_records AS records JOIN fines ON fines.id = records.fine_id
    WHERE records.file_id = :file_id AND records.number = :record
    RETURNING id, amount
)
INSERT INTO journal_entries (fine_id, entry_type, balance_change, import_file_id, posted_by)
SELECT id, 'CHARGED', amount, :file_id, :by FROM credits
RETURNING fine_id;
