-- Lists the upload conflicts of a profile since a moment, oldest first.
SELECT upload_attempts.id, batches.id AS batch_id, batch_files.file_name, deliveries.remote_folder,
       batches.released_at IS NOT NULL AS is_released
FROM upload_attempts
JOIN deliveries ON deliveries.id = upload_attempts.delivery_id
JOIN batches ON batches.id = deliveries.batch_id
JOIN batch_files ON batch_files.batch_id = deliveries.batch_id AND batch_files.number = deliveries.file_number
WHERE batches.profile = :profile AND upload_attempts.conflict_at > :since
ORDER BY upload_attempts.id;
