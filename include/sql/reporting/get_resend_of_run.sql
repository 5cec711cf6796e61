-- The batch that a run of a profile sent again, if it did.
SELECT batches.*, resends.requested_by, resends.delivered_at AS sent_again_at
FROM resends JOIN batches ON batches.id = resends.batch_id
WHERE batches.profile = :profile AND resends.run_id = :run_id
ORDER BY resends.id DESC LIMIT 1;
