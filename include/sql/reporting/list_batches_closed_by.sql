-- Lists the batches that a run of a profile completed for other runs, oldest first.
SELECT * FROM batches_with_state WHERE profile = :profile AND closed_by_run_id = :run_id ORDER BY id;
