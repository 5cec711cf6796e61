-- A batch, and how often its file was resent.
SELECT batches.*,
       (SELECT confirmed_by FROM deliveries WHERE batch_id = batches.id AND kind = 'first') AS confirmed_by,
       (SELECT requested_at FROM approvals WHERE batch_id = batches.id AND answer IS NULL AND released_at IS NULL) AS approval_requested_at,
       (SELECT count(*) FROM deliveries
        WHERE batch_id = batches.id AND kind = 'resend' AND delivered_at IS NOT NULL) AS resends
FROM batches_with_state AS batches WHERE id = :batch_id;
