-- requires: incoming_fines, row_messages
-- Rejects the new credits whose charge is in the same file and was rejected.
INSERT INTO row_messages (kind, code, of_table, line, source_id, field, value, reason, remedy)
SELECT 'rejected', 'unknown_charge', 'fines', line, source_id, 'reverses', left(reverses, 60),
       format('reverses %s, whose row was rejected', to_json(left(reverses, 60))), 'correct that row first'
FROM incoming_fines
WHERE is_new AND reverses IS NOT NULL
  AND reverses NOT IN (SELECT source_id FROM incoming_fines WHERE source_id IS NOT NULL)
  AND NOT EXISTS (SELECT FROM fines WHERE fines.source_id = incoming_fines.reverses AND fines.source = :source);
