-- Records that a run is to deliver the files of a batch, unless that is recorded already.
INSERT INTO deliveries (batch_id, kind, run_id, requested_by, file_number)
SELECT batch_id, :kind, :run_id, :requested_by, number FROM batch_files WHERE batch_id = :batch_id ORDER BY number
ON CONFLICT (batch_id, kind, run_id, file_number) DO NOTHING;
