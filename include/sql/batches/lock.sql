-- One batch, held against every other writer until this transaction ends.
SELECT * FROM batches WHERE id = :batch_id FOR UPDATE;
