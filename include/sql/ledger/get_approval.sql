-- Returns the approval request of a batch or of a run of a maintenance job, with its answer if there is one.
SELECT id, reasons, requested_at, answer, answered_by, times_asked, requested_by, requester_may_approve, users, fines, totals
FROM approvals
WHERE batch_id = CAST(:batch_id AS bigint) OR (job = CAST(:job AS text) AND run_id = CAST(:run_id AS text));
