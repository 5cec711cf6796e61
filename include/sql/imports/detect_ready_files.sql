-- requires: listing
-- Records size and time of the files in a profile's folder that have their done file, by the ledger's clock. Returns their states
-- with counts, and at most so many names of each, oldest first: `ready` if a file has not changed for long enough, else
-- `not_stable`; `known` if it has been applied and archived before, and is there again. Where files stay in the folder after their
-- import, a rejected file is `known`, too.
WITH listed AS (
    SELECT DISTINCT ON (name) name, size, modified FROM listing
    WHERE is_payment AND (CAST(:done_file_suffix AS text) IS NULL OR name || CAST(:done_file_suffix AS text) IN (SELECT name FROM listing))
    ORDER BY name
), compared AS (
    SELECT listed.*,
           CASE WHEN (seen.size, seen.modified) = (listed.size, listed.modified) THEN seen.unchanged_since END AS unchanged_since,
           known.name IS NOT NULL AS is_known
    FROM listed
    LEFT JOIN observed_files AS seen ON seen.profile = :profile AND seen.name = listed.name
    LEFT JOIN (
        SELECT DISTINCT file_arrivals.name, file_arrivals.size, file_arrivals.modified
        FROM file_arrivals JOIN import_files ON import_files.id = file_arrivals.file_id
        WHERE file_arrivals.profile = :profile AND file_arrivals.archived_at IS NOT NULL AND (import_files.applied_at IS NOT NULL OR :files_stay AND import_files.rejected_at IS NOT NULL)
          AND file_arrivals.modified > 'epoch'            -- some servers list no times
    ) AS known ON (known.name, known.size, known.modified) = (listed.name, listed.size, listed.modified)
), gone AS (
    DELETE FROM observed_files
    WHERE profile = :profile AND NOT EXISTS (SELECT FROM compared WHERE NOT is_known AND compared.name = observed_files.name)
), noted AS (
    INSERT INTO observed_files (profile, name, size, modified)
    SELECT :profile, name, size, modified FROM compared WHERE unchanged_since IS NULL AND NOT is_known
    ON CONFLICT (profile, name) DO UPDATE
    SET size = EXCLUDED.size, modified = EXCLUDED.modified, unchanged_since = EXCLUDED.unchanged_since
)
SELECT state, count(*) AS files,
       array_agg(name ORDER BY modified, name) FILTER (WHERE place <= coalesce(CAST(:limit AS bigint), place)) AS names
FROM (
    SELECT *, row_number() OVER (PARTITION BY state ORDER BY modified, name) AS place
    FROM (
        SELECT name, modified, CASE
            WHEN is_known THEN 'known'
            WHEN coalesce(unchanged_since, now()) <= now() - make_interval(secs => :stable_for_seconds) THEN 'ready'
            ELSE 'not_stable' END AS state
        FROM compared
    ) AS states
) AS places
GROUP BY state;
