-- requires: matches
-- Creates credits for the overpayments of a partition, for the owners of the fines; the next export can send them.
WITH credits AS (
    INSERT INTO fines (user_id, item_id, owner_library, fine_fee_type, currency, amount, comment, created_at, reverses)
    SELECT fines.user_id, fines.item_id, fines.owner_library, 'CREDIT', fines.currency, -records.credit_amount,
           'Overpaid at the bursar: transaction ' || records.matched_id, now(), fines.id
    FROM matches
    JOIN import_records AS records ON records.number = matches.number
    JOIN fines ON fines.id = records.fine_id
    WHERE matches.partition_number = :partition_number AND records.file_id = :file_id AND records.credit_amount > 0
    ORDER BY records.number
    RETURNING id, amount
)
INSERT INTO journal_entries (fine_id, entry_type, balance_change, import_file_id)
SELECT id, 'CHARGED', amount, :file_id FROM credits;
