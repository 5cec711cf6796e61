-- A page of the repeated files of some profiles that a person may apply after all, newest first, below the arrival :below: those of the
-- last 30 days, and those that a person began to apply. They are found in indexes, before the view asks for each whether it is a
-- repetition.
SELECT id, profile, run_id, name, applied_name, applied_at, again_file_id IS NOT NULL AS is_begun
FROM repeated_arrivals
WHERE id = ANY (ARRAY(
        SELECT id FROM file_arrivals WHERE coalesce(archived_at, modified) > now() - interval '30 days'
        UNION
        SELECT repeated_arrival_id FROM import_files WHERE repeated_arrival_id IS NOT NULL AND applied_at IS NULL))
  AND profile = ANY (CAST(:profiles AS text[])) AND applied_again_at IS NULL AND NOT is_same_file
  AND (CAST(:below AS bigint) IS NULL OR id < :below)
ORDER BY id DESC LIMIT :limit;
