-- A batch, and how often its file was resent.
SELECT batches.*,
       (SELECT count(*) FROM resends WHERE batch_id = batches.id AND delivered_at IS NOT NULL) AS resends
FROM batches WHERE id = :batch_id;
