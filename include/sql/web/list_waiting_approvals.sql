-- A page of the requests for approval without an answer, oldest first, after the request :after: of batches of some profiles that hold
-- fines, and of runs of some jobs over users in the last 30 days that have no result.
SELECT approvals.id, approvals.batch_id, approvals.job, coalesce(approvals.run_id, batches.run_id) AS run_id, batches.profile,
       approvals.reasons, approvals.requested_at, approvals.requested_by,
       coalesce(batches.users, approvals.users) AS users, coalesce(batches.fines, approvals.fines) AS fines,
       coalesce(batches.totals, approvals.totals) AS totals
FROM approvals LEFT JOIN batches ON batches.id = approvals.batch_id
WHERE approvals.answer IS NULL AND approvals.id > :after AND (
    batches.profile = ANY (CAST(:profiles AS text[])) AND batches.closed_at IS NULL AND batches.released_at IS NULL
    OR approvals.job = ANY (CAST(:jobs AS text[])) AND approvals.requested_at > now() - interval '30 days'
       AND NOT EXISTS (SELECT FROM maintenance_jobs AS done WHERE done.job = approvals.job AND done.run_id = approvals.run_id))
ORDER BY approvals.id LIMIT :limit;
