-- The repeated files of some profiles of the last 30 days that a person may apply after all, newest first.
SELECT repeated.id, repeated.profile, repeated.run_id, repeated.name, repeated.applied_name, repeated.applied_at
FROM repeated_arrivals AS repeated
JOIN file_arrivals ON file_arrivals.id = repeated.id
WHERE coalesce(file_arrivals.archived_at, file_arrivals.modified) > now() - interval '30 days'
  AND repeated.profile = ANY (CAST(:profiles AS text[])) AND repeated.again_file_id IS NULL AND NOT repeated.is_same_file
ORDER BY repeated.id DESC LIMIT :limit;
