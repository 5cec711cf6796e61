-- The stages of a run in the order of their beginnings, each with the time of all its tries and parts, and what went wrong.
SELECT stage, sum(seconds) AS seconds, array_remove(array_agg(error ORDER BY part), NULL) AS errors
FROM job_stages
WHERE job = :job AND profile = coalesce(CAST(:profile AS text), '') AND run = :run
GROUP BY stage
ORDER BY min(started_at);
