-- requires: incoming_fines
-- Finds the internal ids of the new fines that need more than a charge.
UPDATE incoming_fines SET fine_id = fines.id
FROM fines
WHERE incoming_fines.is_new AND fines.source_id = incoming_fines.source_id AND fines.source = :source
  AND (incoming_fines.amount < 0 OR incoming_fines.balance <> incoming_fines.amount
       OR incoming_fines.status IN ('disputed', 'suspended', 'cancelled'));
