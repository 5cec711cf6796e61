-- The batches that records of a file belong to and that are not closed yet: the bursar was quicker than the export.
SELECT DISTINCT batches.id, batches.profile
FROM import_records
JOIN lines ON lines.transaction_id = import_records.matched_id
JOIN batches ON batches.id = lines.batch_id
WHERE import_records.file_id = :file_id AND batches.closed_at IS NULL
ORDER BY batches.id;
