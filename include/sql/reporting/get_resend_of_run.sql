-- Returns the batch that a run of a profile resent, if any.
SELECT batches.*, deliveries.delivered_at AS sent_again_at
FROM deliveries JOIN batches ON batches.id = deliveries.batch_id
WHERE batches.profile = :profile AND deliveries.run_id = :run_id AND deliveries.kind = 'resend'
ORDER BY deliveries.id DESC LIMIT 1;
