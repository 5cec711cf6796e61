-- Takes note of the files in a profile's folder, by the ledger's clock, and judges each: ready once it has stayed the same
-- for long enough, settling until then, and known if it was applied and put away before and now lies there again.
WITH listed AS (
    SELECT * FROM unnest(CAST(:names AS text[]), CAST(:sizes AS bigint[]), CAST(:modified AS timestamptz[]))
        AS file (name, size, modified)
), judged AS (
    SELECT listed.*,
           CASE WHEN (seen.size, seen.modified) = (listed.size, listed.modified) THEN seen.since END AS unchanged_since,
           known.name IS NOT NULL AS is_known
    FROM listed
    LEFT JOIN sightings AS seen ON seen.profile = :profile AND seen.name = listed.name
    LEFT JOIN (
        SELECT DISTINCT arrivals.name, arrivals.size, arrivals.modified
        FROM arrivals JOIN import_files ON import_files.id = arrivals.file_id
        WHERE arrivals.profile = :profile AND arrivals.put_away_at IS NOT NULL AND import_files.applied_at IS NOT NULL
          AND arrivals.modified > 'epoch'            -- some servers tell no times
    ) AS known ON (known.name, known.size, known.modified) = (listed.name, listed.size, listed.modified)
), gone AS (
    DELETE FROM sightings
    WHERE profile = :profile AND NOT EXISTS (SELECT FROM judged WHERE NOT is_known AND judged.name = sightings.name)
), noted AS (
    INSERT INTO sightings (profile, name, size, modified)
    SELECT :profile, name, size, modified FROM judged WHERE unchanged_since IS NULL AND NOT is_known
    ON CONFLICT (profile, name) DO UPDATE SET size = EXCLUDED.size, modified = EXCLUDED.modified, since = EXCLUDED.since
)
SELECT name, CASE
    WHEN is_known THEN 'known'
    WHEN coalesce(unchanged_since, now()) <= now() - make_interval(secs => :settle_seconds) THEN 'ready'
    ELSE 'settling' END AS verdict
FROM judged
ORDER BY modified, name;
