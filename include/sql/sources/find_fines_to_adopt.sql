-- requires: fines_to_adopt, staged_fines
-- Finds the fines of the file that a person loaded from files of no source, if type, currency and moment of creation are the same.
INSERT INTO fines_to_adopt (fine_id)
SELECT fines.id
FROM staged_fines JOIN fines ON fines.source_id = staged_fines.fine_id
WHERE fines.source = '' AND :source <> ''
  AND NOT EXISTS (SELECT FROM fines AS own WHERE own.source = :source AND own.source_id = fines.source_id)
  AND staged_fines.fault_reason IS NULL AND fines.fine_fee_type = staged_fines.fine_fee_type
  AND fines.currency = coalesce(staged_fines.currency, CAST(:currency AS text))
  AND fines.created_at = pg_temp.as_moment(staged_fines.created_at, CAST(:time_zone AS text));
