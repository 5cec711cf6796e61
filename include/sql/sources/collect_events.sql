-- Makes events of the entries that a system is informed of: docs/reference/outbox.md. What loads posted is left out: it came
-- from there. An entry that was looked at before is not looked at again. The state of an event is that of its kind (:states, JSON).
INSERT INTO outbox_events (source, entry_id, fine_id, kind, amount, state)
SELECT :source, entry_id, fine_id, event.kind, event.amount, CAST(:states AS jsonb) ->> event.kind
FROM (
    SELECT entries.id AS entry_id, entries.entry_type, subject.id AS fine_id, fines.id <> subject.id AS is_own_credit,
           sign(fines.amount) * entries.balance_change AS balance, sign(fines.amount) * entries.outstanding_change AS outstanding,
           -- A refund gives up its charge with it, which was paid before: nothing is owed less than before.
           entries.entry_type = 'WAIVED' AND EXISTS (
               SELECT FROM journal_entries AS refunds
               WHERE refunds.fine_id = entries.fine_id AND refunds.entry_type = 'REFUNDED' AND refunds.posted_at = entries.posted_at
                     AND refunds.balance_change = -entries.balance_change) AS is_refund
    FROM system_sources AS system
    JOIN journal_entries AS entries ON entries.id > system.collected_to AND entries.load_id IS NULL
    JOIN fines ON fines.id = entries.fine_id
    JOIN fines AS subject ON subject.id = CASE
        WHEN fines.source = system.source THEN fines.id
        -- a credit that people made in Bursar; one for an overpayment reverses nothing
        WHEN entries.entry_type = 'CHARGED' AND entries.import_file_id IS NULL AND fines.amount < 0 THEN fines.reverses END
    WHERE system.source = :source AND subject.source = :source AND subject.source_id IS NOT NULL
) AS facts
CROSS JOIN LATERAL (
    SELECT CASE
               WHEN is_own_credit THEN 'reversed'
               WHEN entry_type IN ('EXPORTED', 'EXPORTED_AND_PAID') AND balance < 0 THEN 'handed_over'
               WHEN entry_type = 'PAID_AT_BURSAR' AND outstanding < 0 THEN 'paid_at_bursar'
               WHEN entry_type = 'PAID_AT_BURSAR' AND outstanding > 0 THEN 'owed_again'
               WHEN entry_type IN ('PAID', 'WAIVED', 'CANCELLED') AND balance + outstanding < 0 AND NOT is_refund THEN 'reversed'
           END AS kind,
           abs(CASE WHEN entry_type IN ('EXPORTED', 'EXPORTED_AND_PAID') THEN balance ELSE balance + outstanding END) AS amount
) AS event
WHERE event.kind IS NOT NULL
ORDER BY entry_id
ON CONFLICT (entry_id, source) DO NOTHING;
