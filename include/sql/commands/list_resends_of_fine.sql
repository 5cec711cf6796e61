-- Each time that the file of a fine was resent.
SELECT resends.delivered_at, resends.batch_id, resends.requested_by, resends.run_id, batches.file_name,
       resends.remote_folder
FROM resends
JOIN batches ON batches.id = resends.batch_id
WHERE resends.delivered_at IS NOT NULL
  AND resends.batch_id IN (SELECT batch_id FROM batch_lines WHERE fine_id = :fine_id)
ORDER BY resends.id;
