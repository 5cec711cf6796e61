-- Records that a file was read, by which run, and what the reader counted.
UPDATE import_files
SET profile = :profile, run_id = :run_id, name = :name, modified = :modified, amount_mode = :amount_mode, records = :records,
    totals = CAST(:totals AS jsonb), read_at = clock_timestamp(), rejection = NULL, rejected_at = NULL
WHERE id = :file_id;
