-- requires: fine_changes, staged_fines
-- Keeps the deferred rows for the next load of the source; also that of a new credit whose charge is in an unfinished batch, which
-- may be released.
INSERT INTO deferred_fines (source, source_id, load_id, file, line, row)
SELECT :source, given.fine_id, :load_id, :file, greatest(given.line, 0), to_jsonb(given)
FROM fine_changes JOIN staged_fines AS given USING (line)
WHERE place = 'batch' OR is_new AND batch_id IS NOT NULL;
