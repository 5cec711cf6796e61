-- Locks a batch until this transaction ends against every other writer, including those that close a partition of it.
SELECT FROM batches WHERE id = :batch_id FOR UPDATE;
