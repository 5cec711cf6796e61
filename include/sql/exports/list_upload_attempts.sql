-- The attempts to upload the file of a batch, or of one resend of it, oldest first.
SELECT * FROM upload_attempts
WHERE batch_id = :batch_id AND resend_id IS NOT DISTINCT FROM CAST(:resend_id AS bigint)
ORDER BY id;
