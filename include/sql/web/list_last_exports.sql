-- The newest export of each of some profiles that selected fines; a dry run does not count.
SELECT last.*
FROM unnest(CAST(:profiles AS text[])) AS asked (code)
CROSS JOIN LATERAL (
    SELECT * FROM run_reports
    WHERE profile = asked.code AND job = 'export' AND NOT dry_run AND outcome <> 'failed'
    ORDER BY started_at DESC, id DESC LIMIT 1
) AS last
ORDER BY last.profile;
