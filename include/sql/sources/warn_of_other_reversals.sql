-- requires: incoming_fines, row_messages
-- Warns about the known credits that reverse another charge than the source says, or none: after an export it is fixed.
INSERT INTO row_messages (kind, code, of_table, line, source_id, fine_id, field, value, reason, remedy)
SELECT 'warning', 'fixed_value', 'fines', incoming.line, incoming.source_id, known.id, 'reverses', left(incoming.reverses, 60),
       format('reverses %s differs from the ledger, where it is fixed', to_json(left(incoming.reverses, 60))),
       'if the bursar has to be notified, cancel this credit in the library system and give a new one'
FROM incoming_fines AS incoming
JOIN fines AS known ON known.id = incoming.fine_id
LEFT JOIN fines AS charge ON charge.id = known.reverses
WHERE NOT incoming.is_new AND incoming.reverses IS NOT NULL
  AND (charge.source_id, charge.source) IS DISTINCT FROM (incoming.reverses, CAST(:source AS text));
