-- Records that a run is to deliver the file of a batch, unless that is recorded already.
INSERT INTO deliveries (batch_id, kind, run_id, requested_by) VALUES (:batch_id, :kind, :run_id, :requested_by)
ON CONFLICT (batch_id, kind, run_id) DO NOTHING;
