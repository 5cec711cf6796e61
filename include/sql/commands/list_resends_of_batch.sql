-- Each request to resend files of a batch, oldest first: which, when the last of them was delivered, and how far they are.
SELECT run_id, string_agg(file_name, ', ' ORDER BY number) AS file_name,
       min(requested_by) AS requested_by, min(requested_at) AS requested_at, min(remote_folder) AS remote_folder,
       CASE WHEN count(delivered_at) = count(*) THEN max(delivered_at) END AS delivered_at,
       CASE WHEN count(delivered_at) = count(*) THEN 'DELIVERED'
            WHEN bool_or(state = 'UNCLEAR') THEN 'UNCLEAR'
            WHEN bool_or(state = 'PART_COMPLETE') THEN 'PART_COMPLETE'
            WHEN bool_or(state <> 'REQUESTED') THEN 'UPLOADING'
            ELSE 'REQUESTED' END AS state
FROM deliveries JOIN batch_files USING (batch_id)
WHERE number = file_number AND batch_id = :batch_id AND kind = 'resend'
GROUP BY run_id
ORDER BY min(id);
