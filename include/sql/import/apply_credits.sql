-- Makes credits of what a share of a file paid beyond the outstanding amounts, for the same owners as the fines; the next
-- export can send them.
WITH credits AS (
    INSERT INTO fines (user_id, item_id, owner_library, fine_fee_type, currency, amount, comment, created_at, reverses)
    SELECT fines.user_id, fines.item_id, fines.owner_library, 'CREDIT', fines.currency, -records.credited,
           'Overpaid at the bursar: transaction ' || records.matched_id, now(), fines.id
    FROM matched
    JOIN import_records AS records ON records.number = matched.number
    JOIN fines ON fines.id = records.fine_id
    WHERE matched.share = :share AND records.file_id = :file_id AND records.credited > 0
    ORDER BY records.number
    RETURNING id, amount
)
INSERT INTO journal (fine_id, kind, balance_change, import_file_id)
SELECT id, 'CHARGED', amount, :file_id FROM credits;
