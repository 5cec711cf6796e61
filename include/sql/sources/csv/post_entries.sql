-- requires: incoming_fines
-- Charges the new fines of a file, and posts as paid the amounts that it no longer reports as owed, of new and of known
-- fines.
INSERT INTO journal_entries (fine_id, entry_type, balance_change, posted_at, comment)
SELECT fine_id, entry_type, balance_change, posted_at, comment
FROM (
    SELECT incoming.line, fines.id AS fine_id, 'CHARGED' AS entry_type, fines.amount AS balance_change,
           fines.created_at AS posted_at, NULL AS comment
    FROM incoming_fines AS incoming JOIN fines ON fines.source_id = incoming.source_id
    WHERE incoming.outcome = 'added'
    UNION ALL
    SELECT incoming.line, fines.id, 'PAID',
           incoming.balance - CASE incoming.outcome WHEN 'added' THEN fines.amount ELSE fines.balance END,
           now(), 'reported by the library system'
    FROM incoming_fines AS incoming JOIN fines ON fines.source_id = incoming.source_id
    WHERE incoming.outcome = 'paid_down' OR incoming.outcome = 'added' AND incoming.balance <> incoming.amount
) AS entries
ORDER BY line, entry_type;
