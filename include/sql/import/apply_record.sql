-- Records that a file was applied, and with which outcomes.
UPDATE import_files SET applied_at = clock_timestamp(), outcomes = CAST(:outcomes AS jsonb) WHERE id = :file_id;
