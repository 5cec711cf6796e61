-- The files of payments of some profiles that were rejected in the last 30 days, newest first.
SELECT id, profile, run_id, name, rejection, rejected_at
FROM import_files
WHERE rejected_at > now() - interval '30 days' AND profile = ANY (CAST(:profiles AS text[]))
ORDER BY rejected_at DESC, id DESC LIMIT :limit;
