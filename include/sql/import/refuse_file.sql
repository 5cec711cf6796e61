-- Records why a file was refused as a whole, and in which run.
UPDATE import_files
SET profile = :profile, run = :run, name = :name, modified = :modified, amounts = :amounts, refusal = :refusal,
    refused_at = clock_timestamp()
WHERE id = :file_id AND read_at IS NULL;
