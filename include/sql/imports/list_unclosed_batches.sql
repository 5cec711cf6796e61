-- requires: matches
-- Lists the batches of the matched fines that have not been closed yet: the bursar may answer before the export ends.
SELECT DISTINCT batches.id, batches.profile
FROM matches JOIN batches ON batches.id = matches.batch_id
WHERE batches.closed_at IS NULL
ORDER BY batches.id;
