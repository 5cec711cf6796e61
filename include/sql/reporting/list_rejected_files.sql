-- Whether a person refused what a run of a profile was about to send; Airflow then skips what comes after.
SELECT EXISTS (SELECT FROM approvals JOIN batches ON batches.id = approvals.batch_id
               WHERE batches.profile = :profile AND batches.run_id = :run_id AND approvals.answer = 'refused');
