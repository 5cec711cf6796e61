-- The resending of a batch in a run.
SELECT * FROM resends WHERE batch_id = :batch_id AND run_id = :run_id;
