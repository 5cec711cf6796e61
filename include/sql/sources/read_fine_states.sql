-- requires: fine_changes, incoming_fines, staged_fines
-- Reads the state of the fines about which the source says something new. The table of fines is locked.
INSERT INTO fine_changes (line, fine_id, is_new, is_credit, has_charge, place, batch_id, is_unclear, status, amount, balance, outstanding,
                          paid_at_bursar, said_amount, said_balance, said_status, new_amount, new_balance, new_status, settled_as, moved_to,
                          settled_before, applied_before, applied, not_passed_on, open_credits, open_credits_after, credits_after, goes_in_full, room,
                          written_credits, was_deferred, is_disputed_by_load)
SELECT incoming.line, fines.id, incoming.is_new, fines.amount < 0, fines.reverses IS NOT NULL,
       CASE WHEN claims.batch_id IS NOT NULL OR outbox.is_unclear THEN 'batch'
            WHEN posted.exported > 0 THEN 'bursar' WHEN charge.batch_id IS NOT NULL AND NOT incoming.is_new THEN 'batch'
            ELSE 'library' END,
       coalesce(claims.batch_id, charge.batch_id), outbox.is_unclear, fines.status, abs(fines.amount), abs(fines.balance), abs(fines.outstanding), posted.paid_at_bursar,
       said.amount, said.balance, CASE WHEN incoming.is_new THEN 'open' ELSE coalesce(fines.source_status, 'open') END,
       CASE WHEN incoming.amount = 0 THEN said.amount ELSE abs(incoming.amount) END,
       CASE WHEN given.status = 'cancelled' OR incoming.amount = 0 THEN 0
            ELSE coalesce(abs(incoming.balance), CASE WHEN fines.source_status = 'cancelled' AND given.status IS NOT NULL THEN abs(incoming.amount) END,
                          greatest(said.balance + abs(incoming.amount) - said.amount, 0)) END,
       CASE WHEN incoming.amount = 0 THEN 'cancelled' WHEN given.status IS NOT NULL THEN given.status
            WHEN fines.source_status = 'cancelled' AND incoming.balance <> 0 THEN 'open'
            ELSE coalesce(fines.source_status, 'open') END,
       CASE WHEN given.status = 'cancelled' OR incoming.amount = 0 THEN 'CANCELLED' ELSE upper(coalesce(given.settled_as, 'paid')) END,
       CASE WHEN incoming.user_id <> fines.user_id THEN incoming.user_id END,
       posted.settled_before, credits.applied_before, credits.applied, greatest(credits.reversed - posted.reversed, 0), credits.open,
       credits.open_after, credits.all_after, charge.goes_in_full, charge.room,
       outbox.written_credits,
       EXISTS (SELECT FROM deferred_fines WHERE deferred_fines.source = fines.source AND deferred_fines.source_id = fines.source_id),
       posted.is_disputed_by_load
FROM incoming_fines AS incoming
JOIN staged_fines AS given ON given.line = incoming.line
JOIN fines ON fines.id = incoming.fine_id
JOIN users ON users.id = fines.user_id AND users.deleted_at IS NULL
LEFT JOIN batch_claims AS claims ON claims.fine_id = fines.id AND NOT claims.reversal
CROSS JOIN LATERAL (
    SELECT coalesce(bool_or(events.state = 'unknown'), false) AS is_unclear,
           coalesce(-sum(events.balance_change) FILTER (WHERE entries.fine_id <> fines.id), 0) AS written_credits
    FROM outbox_events AS events JOIN journal_entries AS entries ON entries.id = events.entry_id
    WHERE events.fine_id = fines.id
) AS outbox
CROSS JOIN LATERAL (
    SELECT coalesce(sum(abs(balance_change)) FILTER (WHERE entry_type IN ('EXPORTED', 'EXPORTED_AND_PAID')), 0) AS exported,
           abs(coalesce(sum(balance_change + outstanding_change)
                        FILTER (WHERE entry_type IN ('PAID_AT_BURSAR', 'EXPORTED_AND_PAID')), 0)) AS paid_at_bursar,
           coalesce((array_agg(load_id IS NOT NULL ORDER BY id DESC) FILTER (WHERE entry_type = 'DISPUTED'))[1], false)
               AS is_disputed_by_load,
           abs(coalesce(sum(balance_change) FILTER (
               WHERE load_id IS NOT NULL AND entry_type IN ('PAID', 'WAIVED', 'CANCELLED', 'REVERSED', 'REOPENED')), 0))
               AS settled_before,
           coalesce(-sum(balance_change) FILTER (WHERE load_id IS NOT NULL AND entry_type = 'REVERSED'), 0)
               - coalesce(sum(outstanding_change) FILTER (WHERE load_id IS NOT NULL), 0) AS reversed
    FROM journal_entries WHERE journal_entries.fine_id = fines.id
) AS posted
CROSS JOIN LATERAL (
    SELECT CASE WHEN incoming.is_new THEN abs(fines.amount) ELSE abs(coalesce(fines.source_amount, fines.amount)) END AS amount,
           CASE WHEN incoming.is_new THEN abs(fines.amount)
                WHEN fines.source_balance IS NOT NULL THEN abs(fines.source_balance)
                WHEN posted.exported > 0 THEN abs(coalesce(incoming.balance, fines.amount))
                ELSE abs(fines.balance) END AS balance
) AS said
CROSS JOIN LATERAL (    -- a credit that the library system has applied to its charge has so much less left
    SELECT coalesce(sum(abs(all_credits.source_amount - all_credits.source_balance)) FILTER (
               WHERE in_file.is_new IS NOT TRUE AND all_credits.source_status IS DISTINCT FROM 'cancelled'), 0) AS applied_before,
           coalesce(sum(abs(coalesce(in_file.amount, all_credits.source_amount)
                            - coalesce(in_file.balance, all_credits.source_balance))) FILTER (
               WHERE coalesce(row_in_file.status, all_credits.source_status, 'open') <> 'cancelled'), 0) AS applied,
           coalesce(sum((SELECT coalesce(sum(balance_change) FILTER (WHERE entry_type = 'REVERSED'), 0)
                                + greatest(sum(balance_change) FILTER (WHERE entry_type IN ('PAID', 'WAIVED'))
                                           + coalesce(sum(balance_change) FILTER (WHERE entry_type = 'REOPENED'), 0), 0)
                         FROM journal_entries AS entries
                         WHERE entries.fine_id = all_credits.id AND entries.load_id IS NOT NULL)), 0)
               AS reversed,    -- what was PAID or WAIVED was settled before the credit named its charge
           coalesce(sum(abs(all_credits.balance) + abs(all_credits.outstanding)), 0) AS open,
           coalesce(sum(least(abs(all_credits.balance), abs(in_file.balance), abs(in_file.amount),
                              CASE WHEN row_in_file.status = 'cancelled' THEN 0 END)), 0) AS open_after,
           coalesce(sum(abs(coalesce(in_file.amount, all_credits.amount))) FILTER (
               WHERE coalesce(row_in_file.status, all_credits.source_status, 'open') <> 'cancelled'), 0) AS all_after
    FROM fines AS all_credits
    LEFT JOIN incoming_fines AS in_file ON in_file.fine_id = all_credits.id
    LEFT JOIN staged_fines AS row_in_file ON row_in_file.line = in_file.line
    WHERE all_credits.reverses = fines.id
      AND NOT EXISTS (SELECT FROM journal_entries AS entry    -- for an overpayment: it reverses nothing
                      WHERE entry.fine_id = all_credits.id AND entry.entry_type = 'CHARGED' AND entry.import_file_id IS NOT NULL)
) AS credits
LEFT JOIN LATERAL (    -- of a credit whose charge is with a bursar, or on its way there
    SELECT claims_of_charge.batch_id,
           greatest(CASE WHEN claims_of_charge.batch_id IS NOT NULL THEN claimed_charge.balance ELSE of_charge.received END
                    - of_others.reversed + of_others_in_file.lowered, 0) AS goes_in_full,
           CASE WHEN claims_of_charge.batch_id IS NULL THEN greatest(of_charge.received - of_all.reversed - of_all.grown, 0) END AS room
    FROM fines AS claimed_charge
    LEFT JOIN batch_claims AS claims_of_charge ON claims_of_charge.fine_id = claimed_charge.id AND NOT claims_of_charge.reversal
    CROSS JOIN LATERAL (
        SELECT sum(abs(balance_change)) FILTER (WHERE entry_type IN ('EXPORTED', 'EXPORTED_AND_PAID'))
               + coalesce(sum(outstanding_change) FILTER (WHERE entry_type IN ('PAID', 'WAIVED', 'CANCELLED')), 0) AS received
        FROM journal_entries WHERE journal_entries.fine_id = claimed_charge.id
    ) AS of_charge
    CROSS JOIN LATERAL (    -- credits before this one, without what was waived of them, or stayed at the library
        SELECT coalesce(-sum(balance_change) FILTER (
                   WHERE entry_type IN ('CHARGED', 'ADJUSTED', 'WAIVED', 'CANCELLED', 'REVERSED', 'REOPENED')), 0) AS reversed
        FROM fines AS others JOIN journal_entries AS entries ON entries.fine_id = others.id
        WHERE others.reverses = claimed_charge.id AND others.id < fines.id
          AND NOT EXISTS (SELECT FROM journal_entries AS entry
                          WHERE entry.fine_id = others.id AND entry.entry_type = 'CHARGED' AND entry.import_file_id IS NOT NULL)
    ) AS of_others
    CROSS JOIN LATERAL (    -- how much of these this load takes away
        SELECT coalesce(sum(CASE WHEN row_in_file.status = 'cancelled' OR in_file.amount = 0 THEN abs(others.balance)
                                 WHEN others.balance = others.amount THEN greatest(abs(others.amount) - abs(in_file.amount), 0) END), 0)
                   AS lowered
        FROM fines AS others
        JOIN incoming_fines AS in_file ON in_file.fine_id = others.id AND NOT in_file.is_new
        JOIN staged_fines AS row_in_file ON row_in_file.line = in_file.line
        WHERE others.reverses = claimed_charge.id AND others.id < fines.id AND claims_of_charge.batch_id IS NULL
          AND NOT EXISTS (SELECT FROM batch_claims WHERE batch_claims.fine_id = others.id AND NOT reversal)
    ) AS of_others_in_file
    CROSS JOIN LATERAL (    -- all credits, and by how much the other known ones grow in this load
        SELECT coalesce(sum((SELECT -sum(balance_change) FROM journal_entries AS entries
                             WHERE entries.fine_id = every_credit.id
                               AND entry_type IN ('CHARGED', 'ADJUSTED', 'WAIVED', 'CANCELLED', 'REVERSED', 'REOPENED'))), 0) AS reversed,
               coalesce(sum(greatest(abs(in_file.amount) - abs(every_credit.amount), 0)) FILTER (WHERE every_credit.id <> fines.id), 0) AS grown
        FROM fines AS every_credit
        LEFT JOIN incoming_fines AS in_file ON in_file.fine_id = every_credit.id
        WHERE every_credit.reverses = claimed_charge.id AND NOT incoming.is_new
          AND NOT EXISTS (SELECT FROM journal_entries AS entry
                          WHERE entry.fine_id = every_credit.id AND entry.entry_type = 'CHARGED' AND entry.import_file_id IS NOT NULL)
    ) AS of_all
    WHERE claimed_charge.id = fines.reverses AND (claims_of_charge.batch_id IS NOT NULL OR of_charge.received IS NOT NULL)
) AS charge ON true
WHERE incoming.is_changed OR incoming.is_new AND incoming.fine_id IS NOT NULL;
