-- Returns the newest batch that a run of a profile selected, even if it was released.
SELECT * FROM batches_with_state WHERE profile = :profile AND run_id = :run_id ORDER BY id DESC LIMIT 1;
