-- requires: staged_fines
-- Makes fines that a person loaded from files of no source fines of this source, so that they are not billed again, if type,
-- currency and moment of creation are the same. The table of fines is locked.
UPDATE fines SET source = :source
FROM staged_fines
WHERE fines.source = '' AND fines.source_id = staged_fines.fine_id AND :source <> ''
  AND NOT EXISTS (SELECT FROM fines AS own WHERE own.source = :source AND own.source_id = fines.source_id)
  AND staged_fines.fault_reason IS NULL AND fines.fine_fee_type = staged_fines.fine_fee_type
  AND fines.currency = coalesce(staged_fines.currency, CAST(:currency AS text))
  AND fines.created_at = pg_temp.as_moment(staged_fines.created_at, CAST(:time_zone AS text));
