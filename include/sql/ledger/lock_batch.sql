-- One batch, held against every other writer until this transaction ends, but for those that close a share of it.
SELECT * FROM batches WHERE id = :batch_id FOR NO KEY UPDATE;
