-- requires: fine_changes, row_messages, staged_fines
-- Defers the changes of fines that an unfinished batch claims: the next load of the source applies them.
INSERT INTO row_messages (kind, code, of_table, line, source_id, fine_id, field, value, reason, remedy)
SELECT 'deferred', 'in_unfinished_batch', 'fines', line, given.fine_id, fine_changes.fine_id, 'fine_id', left(given.fine_id, 60),
       format('fine_id %s is on its way to the bursar in batch %s', to_json(left(given.fine_id, 60)), batch_id),
       'nothing: the next load after that export applies the row'
FROM fine_changes JOIN staged_fines AS given USING (line)
WHERE place = 'batch';
