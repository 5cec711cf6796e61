-- The batches that records of the file belong to and that are not closed yet: the bursar was quicker than the export.
SELECT DISTINCT batches.id, batches.profile
FROM batches JOIN lines ON lines.batch_id = batches.id JOIN matched ON matched.matched_id = lines.transaction_id
WHERE batches.closed_at IS NULL AND batches.released_at IS NULL
ORDER BY batches.id;
