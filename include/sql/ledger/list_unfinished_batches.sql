-- Lists the batches that hold fines, oldest first, of one profile or (NULL) of all.
SELECT * FROM batches_with_state
WHERE closed_at IS NULL AND released_at IS NULL AND (CAST(:profile AS text) IS NULL OR profile = :profile)
ORDER BY id;
