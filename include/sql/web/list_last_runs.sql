-- The newest report of each of some jobs of each of some profiles.
SELECT last.*
FROM unnest(CAST(:profiles AS text[])) AS asked (code)
CROSS JOIN unnest(CAST(:jobs AS text[])) AS wanted (job)
CROSS JOIN LATERAL (
    SELECT * FROM run_reports WHERE job = wanted.job AND profile = asked.code ORDER BY started_at DESC, id DESC LIMIT 1
) AS last;
