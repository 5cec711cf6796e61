-- requires: staged_fines
-- Stages the rows that earlier loads of the source deferred, except where the files have a newer row of the same fine.
INSERT INTO staged_fines
SELECT (jsonb_populate_record(CAST(NULL AS staged_fines),
                              row || jsonb_build_object('line', -row_number() OVER (ORDER BY source_id)))).*
FROM deferred_fines
WHERE source = :source AND NOT EXISTS (SELECT FROM staged_fines WHERE staged_fines.fine_id = deferred_fines.source_id);
