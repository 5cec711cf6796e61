-- requires: row_messages, staged_fines
-- Warns about the open fines of a source that a complete load does not have. A row that is not readable may be any of them.
INSERT INTO row_messages (kind, code, of_table, line, source_id, fine_id, field, value, reason, remedy)
SELECT 'warning', 'missing_fine', 'fines', NULL, source_id, id, 'fine_id', left(source_id, 60),
       format('fine_id %s is not among the fines of the library system any more; it stays open', to_json(left(source_id, 60))),
       'if it was cancelled, load it with the status cancelled; or waive it'
FROM fines
WHERE source = :source AND source_id IS NOT NULL AND (balance <> 0 OR outstanding <> 0)
  AND source_balance IS DISTINCT FROM 0
  AND NOT EXISTS (SELECT FROM staged_fines WHERE staged_fines.fine_id = fines.source_id)
  AND NOT EXISTS (SELECT FROM staged_fines WHERE fault_reason IS NOT NULL AND fine_id IS NULL);
