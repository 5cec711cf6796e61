-- requires: incoming_fines, row_messages, staged_fines
-- Warns about known fines with another owner, type or moment of creation: these are fixed when a fine is created.
INSERT INTO row_messages (kind, code, of_table, line, source_id, fine_id, field, value, reason, remedy)
SELECT 'warning', 'fixed_value', 'fines', given.line, given.fine_id, known.id, differing.field, left(differing.value, 60),
       format('%s %s differs from the ledger, where it is fixed', differing.field, coalesce(to_json(left(differing.value, 60)), '""')),
       'to bill something else, cancel this fine in the library system and charge a new one'
FROM incoming_fines AS incoming
JOIN staged_fines AS given ON given.line = incoming.line
JOIN fines AS known ON known.id = incoming.fine_id
CROSS JOIN LATERAL (VALUES
    ('owner_library', given.owner_library, known.owner_library IS DISTINCT FROM given.owner_library),
    ('fine_fee_type', given.fine_fee_type, known.fine_fee_type <> given.fine_fee_type),
    ('created_at', given.created_at, known.created_at <> incoming.created_at)
) AS differing (field, value, differs)
WHERE incoming.differs AND differing.differs;
