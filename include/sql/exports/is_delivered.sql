-- Whether a batch is delivered and not closed; nobody releases it until this transaction ends.
SELECT state = 'DELIVERED' FROM batches WHERE id = :batch_id FOR KEY SHARE;
