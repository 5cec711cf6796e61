-- Returns whether a person refused a run of a job; Airflow then skips the tasks after the request.
SELECT EXISTS (SELECT FROM approvals LEFT JOIN batches ON batches.id = approvals.batch_id
               WHERE approvals.answer = 'refused'
                 AND (batches.profile = :profile AND batches.run_id = :run_id
                      OR approvals.job = :job AND approvals.run_id = :run_id));
