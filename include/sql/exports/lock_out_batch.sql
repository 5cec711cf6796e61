-- Locks a batch against every other transaction until this one ends, those that close a partition of it among them.
SELECT FROM batches WHERE id = :batch_id FOR UPDATE;
