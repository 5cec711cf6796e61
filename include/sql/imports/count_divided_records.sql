-- Records how many records a file has after its sums were divided.
UPDATE import_files SET records = (SELECT count(*) FROM import_records WHERE file_id = :file_id) WHERE id = :file_id;
