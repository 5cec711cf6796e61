-- Adds a fine together with the entry that charges it; neither ever exists without the other.
WITH fine AS (
    INSERT INTO fines (source_id, user_id, item_id, owner_library, fine_fee_type, currency, amount, vat, comment,
                       item_due_date, created_at, reverses)
    VALUES (:source_id, :user_id, :item_id, :owner_library, :fine_fee_type, :currency, :amount, :vat, :comment,
            :item_due_date, coalesce(CAST(:created_at AS timestamptz), now()), :reverses)
    RETURNING id, amount, created_at
)
INSERT INTO journal_entries (fine_id, entry_type, balance_change, posted_at, posted_by)
SELECT id, 'CHARGED', amount, created_at, :posted_by FROM fine
RETURNING fine_id;
