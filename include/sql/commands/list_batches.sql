-- The newest batches with fines, of all profiles, and how often each was sent again.
SELECT batches.*, (
    SELECT count(*) FROM deliveries
    WHERE deliveries.batch_id = batches.id AND deliveries.kind = 'resend' AND deliveries.delivered_at IS NOT NULL) AS sent_again
FROM batches_with_state AS batches WHERE fines > 0
ORDER BY id DESC LIMIT :limit;
