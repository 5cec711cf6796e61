-- Finds a file that is older than one of the same table that was loaded from the source, and that newer file.
SELECT given.name, given.modified, given."table" AS of_table, newest.load_id, newest.name AS newer_name,
       newest.modified AS newer_modified
FROM jsonb_to_recordset(CAST(:files AS jsonb)) AS given ("table" text, name text, modified text)
CROSS JOIN LATERAL (
    SELECT loads.id AS load_id, file ->> 'name' AS name, CAST(file ->> 'modified' AS timestamptz) AS modified
    FROM loads CROSS JOIN jsonb_array_elements(loads.files) AS file
    WHERE loads.source = :source AND NOT loads.is_refused AND file ->> 'table' = given."table" AND file ? 'modified'
    ORDER BY CAST(file ->> 'modified' AS timestamptz) DESC, loads.id DESC LIMIT 1
) AS newest
WHERE newest.modified > CAST(given.modified AS timestamptz)
LIMIT 1;
