-- The newest batches of a profile whose file can be sent again.
SELECT id, file_name, fines, users, closed_at
FROM batches
WHERE profile = :profile AND closed_at IS NOT NULL AND fines > 0
ORDER BY id DESC LIMIT 20;
