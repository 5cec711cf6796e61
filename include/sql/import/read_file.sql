-- Records that a file was read, by which run, and what the reader counted.
UPDATE import_files
SET profile = :profile, run = :run, name = :name, modified = :modified, amounts = :amounts, records = :records,
    totals = CAST(:totals AS jsonb), read_at = clock_timestamp(), refusal = NULL, refused_at = NULL
WHERE id = :file_id;
