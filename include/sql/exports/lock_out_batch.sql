-- Holds a batch against everybody until this transaction ends, those that close a share of it among them.
SELECT FROM batches WHERE id = :batch_id FOR UPDATE;
