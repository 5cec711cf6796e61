-- Returns a fine, locked until this transaction ends. A credit is locked together with the charge that it reverses,
-- whose totals limit it, in the order of their ids. A credit for an overpayment reverses nothing.
WITH locked AS MATERIALIZED (
    SELECT * FROM fines
    WHERE id IN (:fine_id, (SELECT reverses FROM fines WHERE id = :fine_id))
    ORDER BY id FOR UPDATE
)
SELECT id, user_id, item_id, owner_library, currency, amount, status, balance, outstanding,
       CASE WHEN NOT EXISTS (SELECT FROM journal_entries
                             WHERE fine_id = locked.id AND entry_type = 'CHARGED' AND import_file_id IS NOT NULL)
           THEN reverses END AS reverses
FROM locked WHERE id = :fine_id;
