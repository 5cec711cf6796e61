-- Releases the claims of a batch.
DELETE FROM batch_claims WHERE batch_id = :batch_id;
