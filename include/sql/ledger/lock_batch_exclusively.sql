-- Locks a batch against every other writer until this transaction ends, those that close a partition of it among them.
SELECT FROM batches WHERE id = :batch_id FOR UPDATE;
