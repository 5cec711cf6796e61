-- Returns the batch whose files a run of a profile resent, if any; and when, if all were.
SELECT batches.*, sent.again_at AS sent_again_at
FROM batches_with_state AS batches
JOIN (
    SELECT batch_id, CASE WHEN count(delivered_at) = count(*) THEN max(delivered_at) END AS again_at, max(id) AS last_id
    FROM deliveries WHERE run_id = :run_id AND kind = 'resend' GROUP BY batch_id
) AS sent ON sent.batch_id = batches.id
WHERE batches.profile = :profile
ORDER BY sent.last_id DESC LIMIT 1;
