-- The resending of a batch in a run, asked for now or before.
INSERT INTO resends (batch_id, run_id, requested_by) VALUES (:batch_id, :run_id, :requested_by)
ON CONFLICT (batch_id, run_id) DO NOTHING;
