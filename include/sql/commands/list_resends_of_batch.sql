-- Each request to resend the file of a batch, oldest first.
SELECT run_id, state, requested_by, requested_at, delivered_at, remote_folder
FROM deliveries
WHERE batch_id = :batch_id AND kind = 'resend'
ORDER BY id;
