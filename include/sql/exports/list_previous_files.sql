-- Lists those of the given file names that are of other batches of a profile, oldest first.
SELECT file_name FROM batches JOIN batch_files ON batch_files.batch_id = batches.id
WHERE profile = :profile AND id <> :batch_id AND NOT dry_run AND file_name = ANY (CAST(:names AS text[]))
ORDER BY id, number;
