-- requires: incoming_fines, staged_fines
-- Finds the internal ids of the new fines that need more than a charge.
UPDATE incoming_fines SET fine_id = fines.id
FROM fines, staged_fines AS given
WHERE incoming_fines.is_new AND given.line = incoming_fines.line
  AND fines.source_id = incoming_fines.source_id AND fines.source = :source
  AND (incoming_fines.amount < 0 OR incoming_fines.balance <> incoming_fines.amount
       OR given.status IN ('disputed', 'suspended', 'cancelled'));
