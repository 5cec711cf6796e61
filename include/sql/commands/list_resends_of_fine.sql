-- Each time that the files of the batch of a fine were resent.
SELECT max(deliveries.delivered_at) AS delivered_at, batches.id AS batch_id, min(deliveries.requested_by) AS requested_by,
       deliveries.run_id, min(batches.file_name) AS file_name, min(deliveries.remote_folder) AS remote_folder
FROM deliveries
JOIN batches_with_state AS batches ON batches.id = deliveries.batch_id
WHERE deliveries.kind = 'resend' AND deliveries.batch_id IN (SELECT batch_id FROM batch_lines WHERE fine_id = :fine_id)
GROUP BY batches.id, deliveries.run_id
HAVING count(deliveries.delivered_at) = count(*)
ORDER BY min(deliveries.id);
