-- Each time that the file of a fine was resent.
SELECT deliveries.delivered_at, deliveries.batch_id, deliveries.requested_by, deliveries.run_id, batches.file_name,
       deliveries.remote_folder
FROM deliveries
JOIN batches ON batches.id = deliveries.batch_id
WHERE deliveries.kind = 'resend' AND deliveries.delivered_at IS NOT NULL
  AND deliveries.batch_id IN (SELECT batch_id FROM batch_lines WHERE fine_id = :fine_id)
ORDER BY deliveries.id;
