-- Returns a batch.
SELECT * FROM batches_with_state WHERE id = :batch_id;
