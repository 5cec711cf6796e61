-- The newest batches with fines, of all profiles, and how often each was sent again.
SELECT batches.*, (SELECT count(*) FROM resends WHERE batch_id = batches.id AND delivered_at IS NOT NULL) AS sent_again
FROM batches WHERE fines > 0
ORDER BY id DESC LIMIT :limit;
