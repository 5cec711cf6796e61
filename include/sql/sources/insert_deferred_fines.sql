-- requires: fine_changes, staged_fines
-- Keeps the deferred rows for the next load of the source.
INSERT INTO deferred_fines (source, source_id, load_id, file, line, row)
SELECT :source, given.fine_id, :load_id, :file, greatest(given.line, 0), to_jsonb(given)
FROM fine_changes JOIN staged_fines AS given USING (line)
WHERE place = 'batch';
