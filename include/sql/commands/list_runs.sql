-- The newest run reports, of one profile or (NULL) of all.
SELECT * FROM run_reports
WHERE CAST(:profile AS text) IS NULL OR profile = :profile
ORDER BY started_at DESC, id DESC LIMIT :limit;
