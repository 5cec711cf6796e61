-- requires: known_files, listing
-- Records size and time of the wanted files in a folder that have their done file, by the ledger's clock. Returns their states with
-- counts, and at most so many names of each, oldest first: `ready` if a file has not changed for long enough, else `not_stable`;
-- `known` if it has been loaded before, and is there again.
WITH listed AS (
    SELECT DISTINCT ON (name) name, size, modified FROM listing
    WHERE is_wanted AND (CAST(:done_file_suffix AS text) IS NULL OR name || CAST(:done_file_suffix AS text) IN (SELECT name FROM listing))
    ORDER BY name
), compared AS (
    SELECT listed.*,
           CASE WHEN (seen.size, seen.modified) = (listed.size, listed.modified) THEN seen.unchanged_since END AS unchanged_since,
           known.name IS NOT NULL AS is_known
    FROM listed
    LEFT JOIN observed_files AS seen ON seen.profile = :profile AND seen.name = listed.name
    LEFT JOIN known_files AS known ON (known.name, known.size, known.modified) = (listed.name, listed.size, listed.modified)
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
