-- Records that a run is to deliver files of a batch, those of the given numbers or (NULL) all, unless that is recorded already.
INSERT INTO deliveries (batch_id, kind, run_id, requested_by, file_number)
SELECT batch_id, :kind, :run_id, :requested_by, number FROM batch_files
WHERE batch_id = :batch_id AND (CAST(:numbers AS smallint[]) IS NULL OR number = ANY (CAST(:numbers AS smallint[])))
ORDER BY number
ON CONFLICT (batch_id, kind, run_id, file_number) DO NOTHING;
