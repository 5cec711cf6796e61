-- requires: staged_fines
-- Makes fines that a person loaded from files of no source fines of this source, so that they are not billed again.
UPDATE fines SET source = :source
FROM staged_fines
WHERE fines.source = '' AND fines.source_id = staged_fines.fine_id AND :source <> ''
  AND NOT EXISTS (SELECT FROM fines AS own WHERE own.source = :source AND own.source_id = fines.source_id);
