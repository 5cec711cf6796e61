-- A page of the batches of a profile whose file can be sent again, newest first, below the batch :below.
SELECT id, file_name, ARRAY(SELECT jsonb_array_elements(files) ->> 'name') AS file_names, fines, users, closed_at
FROM batches_with_state
WHERE profile = :profile AND closed_at IS NOT NULL AND fines > 0 AND (CAST(:below AS bigint) IS NULL OR id < :below)
ORDER BY id DESC LIMIT :limit;
