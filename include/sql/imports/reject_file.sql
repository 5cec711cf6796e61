-- Records why a file was rejected as a whole, and in which run.
UPDATE import_files
SET profile = :profile, run_id = :run_id, name = :name, modified = :modified, amount_mode = :amount_mode, rejection = :rejection,
    rejected_at = clock_timestamp()
WHERE id = :file_id AND read_at IS NULL;
