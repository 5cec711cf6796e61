-- The batches of some profiles that hold fines, oldest first.
SELECT * FROM batches_with_state
WHERE closed_at IS NULL AND released_at IS NULL AND fines > 0 AND NOT dry_run AND profile = ANY (CAST(:profiles AS text[]))
ORDER BY id LIMIT :limit;
