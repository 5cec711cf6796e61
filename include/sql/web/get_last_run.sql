-- The newest report of a job of a profile.
SELECT *
FROM run_reports
WHERE job = :job AND profile = :profile
ORDER BY started_at DESC, id DESC
LIMIT 1;
