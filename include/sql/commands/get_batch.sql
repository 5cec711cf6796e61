-- A batch, and how often its file was resent.
SELECT batches.*,
       (SELECT max(confirmed_by) FROM deliveries WHERE batch_id = batches.id AND kind = 'first') AS confirmed_by,
       (SELECT requested_at FROM approvals WHERE batch_id = batches.id AND answer IS NULL AND released_at IS NULL) AS approval_requested_at,
       (SELECT count(*) FROM deliveries
        WHERE batch_id = batches.id AND kind = 'resend' AND delivered_at IS NOT NULL
          AND file_number = (SELECT max(number) FROM batch_files WHERE batch_id = batches.id)) AS resends   -- the last file ends it
FROM batches_with_state AS batches WHERE id = :batch_id;
