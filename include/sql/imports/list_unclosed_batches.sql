-- requires: matches
-- The batches that records of the file belong to and that are not closed yet: the bursar was quicker than the export.
SELECT DISTINCT batches.id, batches.profile
FROM matches JOIN batches ON batches.id = matches.batch_id
WHERE batches.closed_at IS NULL
ORDER BY batches.id;
