-- Lets go of the fines of a batch.
DELETE FROM claims WHERE batch_id = :batch_id;
