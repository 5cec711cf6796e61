-- requires: incoming_fines, row_messages
-- Rejects the rows of fines that reverse something that they can't.
INSERT INTO row_messages (kind, code, of_table, line, source_id, field, value, reason, remedy)
SELECT 'rejected', fault ->> 0, 'fines', line, source_id, fault ->> 1, fault ->> 2, fault ->> 3, fault ->> 4
FROM (
    SELECT incoming.line, incoming.source_id,
           CASE WHEN incoming.fine_fee_type <> 'CREDIT'
                THEN pg_temp.fault('contradictory', 'reverses', incoming.reverses, 'reverses is for a CREDIT only', 'leave it blank')
                WHEN new_charge.line IS NULL AND old_charge.id IS NULL
                THEN pg_temp.fault('unknown_charge', 'reverses', incoming.reverses,
                                   format('reverses %s, but there is no such fine', to_json(left(incoming.reverses, 60))),
                                   'load that charge; perhaps its row was rejected')
                WHEN coalesce(new_charge.amount, old_charge.amount) < 0
                THEN pg_temp.fault('contradictory', 'reverses', incoming.reverses,
                                   format('reverses %s, but that is a credit itself', to_json(left(incoming.reverses, 60))), 'name a charge')
                WHEN coalesce(new_charge.currency, old_charge.currency) <> incoming.currency
                THEN pg_temp.fault('contradictory', 'reverses', incoming.reverses,
                                   format('reverses %s, but that is in another currency', to_json(left(incoming.reverses, 60))),
                                   'correct it')
                WHEN coalesce(new_charge.user_id, old_charge.user_id) <> incoming.user_id
                THEN pg_temp.fault('contradictory', 'reverses', incoming.reverses,
                                   format('reverses %s, but that is of another user', to_json(left(incoming.reverses, 60))),
                                   'correct it; if accounts were merged, load the row of the charge with its new user too') END AS fault
    FROM incoming_fines AS incoming
    LEFT JOIN incoming_fines AS new_charge ON new_charge.source_id = incoming.reverses
    LEFT JOIN fines AS old_charge ON old_charge.source_id = incoming.reverses AND old_charge.source = :source
    WHERE incoming.reverses IS NOT NULL
) AS checked
WHERE fault IS NOT NULL;
