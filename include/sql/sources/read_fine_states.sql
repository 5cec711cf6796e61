-- requires: fine_changes, incoming_fines, staged_fines
-- Reads the state of the fines about which the source says something new. The table of fines is locked.
INSERT INTO fine_changes (line, fine_id, is_new, is_credit, has_charge, place, batch_id, status, amount, balance, outstanding,
                          paid_at_bursar, said_amount, said_balance, said_status, new_amount, new_balance, new_status, settled_as, moved_to,
                          settled_before, applied_before, applied, open_credits, goes_in_full)
SELECT incoming.line, fines.id, incoming.is_new, fines.amount < 0, fines.reverses IS NOT NULL,
       CASE WHEN claims.batch_id IS NOT NULL THEN 'batch' WHEN posted.exported > 0 THEN 'bursar' ELSE 'library' END,
       coalesce(claims.batch_id, claims_of_charge.batch_id), fines.status, abs(fines.amount), abs(fines.balance), abs(fines.outstanding), posted.paid_at_bursar,
       said.amount, said.balance, CASE WHEN incoming.is_new THEN 'open' ELSE coalesce(fines.source_status, 'open') END,
       abs(incoming.amount),
       CASE WHEN coalesce(given.status, fines.source_status) = 'cancelled' OR incoming.amount = 0 THEN 0
            ELSE coalesce(abs(incoming.balance), greatest(said.balance + abs(incoming.amount) - said.amount, 0)) END,
       CASE WHEN incoming.amount = 0 THEN 'cancelled' ELSE coalesce(given.status, fines.source_status, 'open') END,
       CASE WHEN given.status = 'cancelled' OR incoming.amount = 0 THEN 'CANCELLED' ELSE upper(coalesce(given.settled_as, 'paid')) END,
       CASE WHEN incoming.user_id <> fines.user_id THEN incoming.user_id END,
       posted.settled_before, credits.applied_before, credits.applied, credits.open, charge.goes_in_full
FROM incoming_fines AS incoming
JOIN staged_fines AS given ON given.line = incoming.line
JOIN fines ON fines.id = incoming.fine_id
JOIN users ON users.id = fines.user_id AND users.deleted_at IS NULL
LEFT JOIN batch_claims AS claims ON claims.fine_id = fines.id AND NOT claims.reversal
LEFT JOIN batch_claims AS claims_of_charge ON claims_of_charge.fine_id = fines.reverses AND NOT claims_of_charge.reversal
CROSS JOIN LATERAL (
    SELECT coalesce(sum(abs(balance_change)) FILTER (WHERE entry_type IN ('EXPORTED', 'EXPORTED_AND_PAID')), 0) AS exported,
           - coalesce(sum(outstanding_change) FILTER (WHERE entry_type = 'PAID_AT_BURSAR'), 0)
               - coalesce(sum(balance_change) FILTER (WHERE entry_type = 'EXPORTED_AND_PAID'), 0) AS paid_at_bursar,
           abs(coalesce(sum(balance_change) FILTER (
               WHERE load_id IS NOT NULL AND entry_type IN ('PAID', 'WAIVED', 'CANCELLED', 'REVERSED', 'REOPENED')), 0))
               AS settled_before
    FROM journal_entries WHERE journal_entries.fine_id = fines.id
) AS posted
CROSS JOIN LATERAL (
    SELECT abs(CASE WHEN incoming.is_new THEN fines.amount    -- a fine that was cancelled by an amount of 0 has its amount yet
                    ELSE coalesce(nullif(fines.source_amount, 0), fines.amount) END) AS amount,
           CASE WHEN incoming.is_new THEN abs(fines.amount)
                WHEN fines.source_balance IS NOT NULL THEN abs(fines.source_balance)
                WHEN posted.exported > 0 THEN abs(coalesce(incoming.balance, fines.amount))
                ELSE abs(fines.balance) END AS balance
) AS said
CROSS JOIN LATERAL (    -- a credit that the library system has applied to its charge has so much less left
    SELECT coalesce(sum(abs(all_credits.source_amount - all_credits.source_balance)) FILTER (
               WHERE in_file.is_new IS NOT TRUE), 0) AS applied_before,
           coalesce(sum(abs(all_credits.source_amount - coalesce(in_file.balance, all_credits.source_balance))), 0) AS applied,
           coalesce(sum(abs(all_credits.balance) + abs(all_credits.outstanding)), 0) AS open
    FROM fines AS all_credits
    LEFT JOIN incoming_fines AS in_file ON in_file.fine_id = all_credits.id
    WHERE all_credits.reverses = fines.id
) AS credits
LEFT JOIN LATERAL (    -- of a credit whose charge is with a bursar, or on its way there
    SELECT greatest(received.amount - earlier.amount, 0) AS goes_in_full
    FROM (
        SELECT coalesce((
            SELECT sum(abs(balance_change)) FILTER (WHERE entry_type IN ('EXPORTED', 'EXPORTED_AND_PAID'))
                   + coalesce(sum(outstanding_change) FILTER (WHERE entry_type IN ('PAID', 'WAIVED', 'CANCELLED')), 0)
            FROM journal_entries WHERE journal_entries.fine_id = fines.reverses
            HAVING bool_or(entry_type IN ('EXPORTED', 'EXPORTED_AND_PAID'))
        ), (
            SELECT claimed.balance FROM fines AS claimed
            WHERE claimed.id = fines.reverses AND claims_of_charge.batch_id IS NOT NULL
        )) AS amount
    ) AS received
    CROSS JOIN (
        SELECT coalesce(sum(abs(balance_change)) FILTER (WHERE entry_type = 'CHARGED'), 0)
               - coalesce(sum(abs(balance_change)) FILTER (WHERE entry_type = 'REVERSED'), 0) AS amount
        FROM journal_entries
        WHERE fine_id IN (SELECT others.id FROM fines AS others WHERE others.reverses = fines.reverses AND others.id < fines.id)
    ) AS earlier
    WHERE received.amount IS NOT NULL
) AS charge ON true
WHERE incoming.is_changed OR incoming.is_new AND incoming.fine_id IS NOT NULL;
