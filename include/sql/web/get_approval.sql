-- The subject of a request for approval: a batch, or a run of a job over users.
SELECT batch_id, job, run_id FROM approvals WHERE id = :id;
