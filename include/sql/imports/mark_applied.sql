-- Records that a file has been applied, by which run and with which outcomes.
UPDATE import_files SET applied_at = clock_timestamp(), applied_by_run_id = :applied_by_run_id, outcomes = CAST(:outcomes AS jsonb)
WHERE id = :file_id;
