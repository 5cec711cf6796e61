-- requires: fine_changes, row_messages, staged_fines
-- Defers the changes of fines that an unfinished batch claims, or of which the library's system may have been informed of something: the
-- next load of the source applies them.
INSERT INTO row_messages (kind, code, of_table, line, source_id, fine_id, field, value, reason, remedy)
SELECT 'deferred', CASE WHEN batch_id IS NULL THEN 'unclear_event' ELSE 'in_unfinished_batch' END, 'fines', line, given.fine_id,
       fine_changes.fine_id, 'fine_id', left(given.fine_id, 60),
       CASE WHEN batch_id IS NULL
            THEN format('it is not known whether fine_id %s has changed because of Bursar', to_json(left(given.fine_id, 60)))
            ELSE format('fine_id %s is on its way to the bursar in batch %s', to_json(left(given.fine_id, 60)), batch_id) END,
       CASE WHEN batch_id IS NULL THEN 'nothing: a load applies the row once the outbox knows what became of its event'
            ELSE 'nothing: the next load after that export applies the row' END
FROM fine_changes JOIN staged_fines AS given USING (line)
WHERE place = 'batch';
