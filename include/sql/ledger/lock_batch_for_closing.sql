-- Locks a batch against its release until this transaction ends. Other partitions of it can be closed at the same time.
SELECT FROM batches WHERE id = :batch_id FOR KEY SHARE;
