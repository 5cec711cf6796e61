-- The repeated files of some profiles of the last 30 days that a person may apply after all, newest first. The new ones are found in
-- an index, before the view asks for each whether it is a repetition.
SELECT id, profile, run_id, name, applied_name, applied_at
FROM repeated_arrivals
WHERE id = ANY (ARRAY(SELECT id FROM file_arrivals WHERE coalesce(archived_at, modified) > now() - interval '30 days'))
  AND profile = ANY (CAST(:profiles AS text[])) AND again_file_id IS NULL AND NOT is_same_file
ORDER BY id DESC LIMIT :limit;
