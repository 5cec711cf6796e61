-- Returns the number that the next batch has most likely.
SELECT coalesce(max(id), 0) + 1 FROM batches;
