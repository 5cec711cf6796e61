-- Locks a batch against every other writer until this transaction ends, but for those that close a partition of it.
SELECT FROM batches WHERE id = :batch_id FOR NO KEY UPDATE;
