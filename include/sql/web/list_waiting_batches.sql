-- A page of the batches of some profiles that hold fines, oldest first, after the batch :after.
SELECT * FROM batches_with_state
WHERE closed_at IS NULL AND released_at IS NULL AND fines > 0 AND NOT dry_run AND profile = ANY (CAST(:profiles AS text[]))
  AND id > :after
ORDER BY id LIMIT :limit;
