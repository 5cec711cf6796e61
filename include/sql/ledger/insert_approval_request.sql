-- Records that a batch or a run of a maintenance job needs an approval, and why; an earlier record stays as it is.
INSERT INTO approvals (batch_id, job, run_id, users, fines, totals, reasons, requested_by, requester_may_approve)
VALUES (:batch_id, :job, :run_id, :users, :fines, CAST(:totals AS jsonb), :reasons, :requested_by, :requester_may_approve)
ON CONFLICT DO NOTHING;
