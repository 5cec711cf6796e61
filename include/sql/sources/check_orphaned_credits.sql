-- requires: incoming_fines, row_messages, staged_fines
-- Rejects the new credits whose charge is in the same file and was rejected.
INSERT INTO row_messages (kind, code, of_table, line, source_id, field, value, reason, remedy)
SELECT 'rejected', 'unknown_charge', 'fines', given.line, given.fine_id, 'reverses', left(given.reverses, 60),
       format('reverses %s, whose row was rejected', to_json(left(given.reverses, 60))), 'correct that row first'
FROM incoming_fines AS incoming
JOIN staged_fines AS given ON given.line = incoming.line
WHERE incoming.is_new AND given.reverses IS NOT NULL
  AND given.reverses NOT IN (SELECT source_id FROM incoming_fines WHERE source_id IS NOT NULL)
  AND NOT EXISTS (SELECT FROM fines WHERE fines.source_id = given.reverses AND fines.source = :source);
