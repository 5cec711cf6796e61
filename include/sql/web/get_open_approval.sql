-- The request for the approval of a run that has no answer.
SELECT approvals.id
FROM approvals LEFT JOIN batches ON batches.id = approvals.batch_id
WHERE approvals.answer IS NULL
  AND (batches.profile = CAST(:profile AS text) AND batches.run_id = :run_id AND batches.released_at IS NULL
       OR approvals.job = CAST(:job AS text) AND approvals.run_id = :run_id);
