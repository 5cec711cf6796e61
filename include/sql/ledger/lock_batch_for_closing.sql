-- Locks a batch against its release until this transaction ends. Its other partitions can be closed at the same time.
SELECT FROM batches WHERE id = :batch_id FOR KEY SHARE;
