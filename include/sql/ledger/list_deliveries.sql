-- Lists the deliveries of the files of a batch by a run, in the order of the files.
SELECT * FROM deliveries WHERE batch_id = :batch_id AND kind = :kind AND run_id = :run_id ORDER BY file_number;
