-- requires: fine_changes, incoming_fines
-- Sums up the entries of a load, by type and currency.
SELECT entry_type, currency, count(*) AS fines, sum(balance_change) AS balance_change, sum(outstanding_change) AS outstanding_change
FROM (
    SELECT 'CHARGED' AS entry_type, currency, amount AS balance_change, 0 AS outstanding_change FROM incoming_fines WHERE is_new
    UNION ALL
    SELECT entries.entry_type, fines.currency, entries.balance_change, entries.outstanding_change
    FROM (
        SELECT fine_id FROM fine_changes
        UNION
        SELECT credits.id FROM fine_changes JOIN fines AS credits ON credits.reverses = fine_changes.fine_id WHERE moved_to IS NOT NULL
    ) AS changed
    JOIN fines ON fines.id = changed.fine_id
    JOIN journal_entries AS entries ON entries.fine_id = changed.fine_id AND entries.load_id = :load_id
    WHERE entries.entry_type <> 'CHARGED'
) AS entries
GROUP BY entry_type, currency
ORDER BY entry_type, currency;
