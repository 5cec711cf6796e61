-- requires: fine_changes, staged_fines
-- Keeps the deferred rows for the next load of the source, and those of the new credits whose charges are deferred: if that export
-- is released, the credit does not count in full.
INSERT INTO deferred_fines (source, source_id, load_id, file, line, row)
SELECT :source, given.fine_id, :load_id, :file, greatest(given.line, 0), to_jsonb(given)
FROM fine_changes JOIN staged_fines AS given USING (line)
WHERE batch_id IS NOT NULL OR is_unclear;
