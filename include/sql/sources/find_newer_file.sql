-- Finds the files that are older than one of the same table that was loaded from the source, and that newer file. A time that was
-- in the future when its file was loaded counts as the second of that load: else no later file would be new enough.
SELECT given.name, given.modified, given."table" AS of_table, newest.load_id, newest.name AS newer_name,
       newest.modified AS newer_modified
FROM jsonb_to_recordset(CAST(:files AS jsonb)) AS given ("table" text, name text, modified text)
CROSS JOIN LATERAL (
    SELECT loads.id AS load_id, file ->> 'name' AS name,
           CAST(file ->> 'modified' AS timestamptz) AS modified,
           least(CAST(file ->> 'modified' AS timestamptz), date_trunc('second', loads.started_at)) AS counted
    FROM loads CROSS JOIN jsonb_array_elements(loads.files) AS file
    WHERE loads.source = :source AND NOT loads.is_refused AND file ->> 'table' = given."table" AND file ? 'modified'
    ORDER BY counted DESC, loads.id DESC LIMIT 1
) AS newest
WHERE newest.counted > CAST(given.modified AS timestamptz)
ORDER BY given."table";
