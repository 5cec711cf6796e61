-- The newest batches with fines, of all profiles: only those that still claim fines, or all.
SELECT batches.*,
       (SELECT count(*) FROM resends WHERE batch_id = batches.id AND delivered_at IS NOT NULL) AS resends
FROM batches
WHERE fines > 0 AND (NOT CAST(:unfinished_only AS boolean) OR (closed_at IS NULL AND released_at IS NULL))
ORDER BY id DESC LIMIT :limit;
