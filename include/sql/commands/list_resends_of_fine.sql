-- Each time that the files with the lines of a fine were resent.
SELECT max(deliveries.delivered_at) AS delivered_at, line.batch_id, min(deliveries.requested_by) AS requested_by,
       deliveries.run_id, string_agg(DISTINCT file_name, ', ') AS file_name, min(deliveries.remote_folder) AS remote_folder
FROM (
    SELECT DISTINCT batch_id, line_kind(amount, reversal, reversed_transaction_id) AS kind FROM batch_lines WHERE fine_id = :fine_id
) AS line
JOIN deliveries ON deliveries.batch_id = line.batch_id AND deliveries.kind = 'resend'
JOIN batch_files ON (batch_files.batch_id, number) = (deliveries.batch_id, file_number)
WHERE kinds IS NULL OR line.kind = ANY (kinds)
GROUP BY line.batch_id, deliveries.run_id
HAVING count(deliveries.delivered_at) = count(*)
ORDER BY min(deliveries.id);
