-- Returns the delivery of a batch by a run.
SELECT * FROM deliveries WHERE batch_id = :batch_id AND kind = :kind AND run_id = :run_id;
