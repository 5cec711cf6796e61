-- The batch in which a fine went to the bursar, if it did.
SELECT batch_id FROM journal WHERE fine_id = :fine_id AND kind IN ('EXPORTED', 'EXPORTED_AND_PAID') LIMIT 1;
