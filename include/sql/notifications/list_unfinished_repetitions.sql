-- Lists the files of a profile that a person began to apply again before a moment, and whose application has not ended.
SELECT id, name, repeated_arrival_id FROM import_files
WHERE profile = :profile AND repeated_arrival_id IS NOT NULL AND applied_at IS NULL AND registered_at < :begun_before
ORDER BY id;
