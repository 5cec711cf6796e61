-- Returns the number that the next batch has most likely, and the moment of a selection in this transaction.
SELECT coalesce(max(id), 0) + 1 AS next_id, now() AS selected_at FROM batches;
