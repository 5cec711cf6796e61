-- Returns whether a person refused the export of a run of a profile; Airflow then skips the tasks after it.
SELECT EXISTS (SELECT FROM approvals JOIN batches ON batches.id = approvals.batch_id
               WHERE batches.profile = :profile AND batches.run_id = :run_id AND approvals.answer = 'refused');
