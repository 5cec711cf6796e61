-- Returns the batch of which a run of a profile resent files, if any; the names of these, and when, if all were sent.
SELECT batches.*, sent.again_at AS sent_again_at, sent.names AS resent_files
FROM batches_with_state AS batches
JOIN (
    SELECT batch_id, CASE WHEN count(delivered_at) = count(*) THEN max(delivered_at) END AS again_at, max(id) AS last_id,
           array_agg(file_name ORDER BY number) AS names
    FROM deliveries JOIN batch_files USING (batch_id)
    WHERE number = file_number AND run_id = :run_id AND kind = 'resend' GROUP BY batch_id
) AS sent ON sent.batch_id = batches.id
WHERE batches.profile = :profile
ORDER BY sent.last_id DESC LIMIT 1;
