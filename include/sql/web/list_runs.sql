-- A page of run reports, newest first: those of the given jobs and profiles, for loads of the given sources (and, with :institution,
-- of neither), that started in [:since, :until), below the key of the page before. Each job and profile is looked up in the index,
-- whatever the number of runs.
SELECT run_reports.*
FROM (
    SELECT found.*
    FROM unnest(CAST(:jobs AS text[])) AS wanted_job
    CROSS JOIN LATERAL unnest(CASE wanted_job WHEN 'sync' THEN CAST(:sources AS text[]) ELSE CAST(:profiles AS text[]) END) AS wanted_profile
    CROSS JOIN LATERAL (
        SELECT id, started_at
        FROM run_reports
        WHERE job = wanted_job AND profile = wanted_profile
          AND (CAST(:outcome AS text) IS NULL OR outcome = :outcome)
          AND started_at >= CAST(:since AS timestamptz) AND started_at < CAST(:until AS timestamptz)
          AND (started_at, id) < (CAST(:started_before AS timestamptz), CAST(:id_before AS bigint))
        ORDER BY started_at DESC, id DESC
        LIMIT :limit
    ) AS found
    UNION ALL
    SELECT found.*
    FROM unnest(CAST(:jobs AS text[])) AS wanted_job
    CROSS JOIN LATERAL (
        SELECT id, started_at
        FROM run_reports
        WHERE job = wanted_job AND profile IS NULL AND CAST(:institution AS boolean)
          AND (CAST(:outcome AS text) IS NULL OR outcome = :outcome)
          AND started_at >= CAST(:since AS timestamptz) AND started_at < CAST(:until AS timestamptz)
          AND (started_at, id) < (CAST(:started_before AS timestamptz), CAST(:id_before AS bigint))
        ORDER BY started_at DESC, id DESC
        LIMIT :limit
    ) AS found
    ORDER BY started_at DESC, id DESC
    LIMIT :limit
) AS page
JOIN run_reports ON run_reports.id = page.id
ORDER BY run_reports.started_at DESC, run_reports.id DESC;
