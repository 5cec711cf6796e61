-- requires: incoming_fines, row_messages, staged_fines
-- Warns about the fines of deleted users about which the source says something new: the ledger changes no fine of theirs.
INSERT INTO row_messages (kind, code, of_table, line, source_id, fine_id, field, value, reason, remedy)
SELECT 'warning', 'user_deleted', 'fines', given.line, given.fine_id, known.id, differing.field, left(differing.value, 60),
       format('%s %s: the user of this fine was deleted, so it changes no more', differing.field, differing.value),
       'nothing, unless money has to be paid back'
FROM incoming_fines AS incoming
JOIN staged_fines AS given ON given.line = incoming.line
JOIN fines AS known ON known.id = incoming.fine_id
JOIN users ON users.id = known.user_id AND users.deleted_at IS NOT NULL
CROSS JOIN LATERAL (VALUES
    ('amount', given.amount, incoming.amount <> known.source_amount),
    ('balance', given.balance, incoming.balance <> known.source_balance),
    ('status', given.status, given.status <> coalesce(known.source_status, 'open'))
) AS differing (field, value, differs)
WHERE incoming.is_changed AND differing.differs;
