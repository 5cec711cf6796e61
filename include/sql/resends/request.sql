-- The resending of a batch in a run, asked for now or before.
INSERT INTO resends (batch_id, run, requested_by) VALUES (:batch_id, :run, :requested_by)
ON CONFLICT (batch_id, run) DO NOTHING;
