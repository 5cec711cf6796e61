-- A page of loads of some sources, newest first, below the load :below if that is given. Each source is looked up in the index.
SELECT loads.*
FROM (
    SELECT found.id
    FROM unnest(CAST(:sources AS text[])) AS wanted
    CROSS JOIN LATERAL (
        SELECT id FROM loads
        WHERE source = wanted AND id < coalesce(CAST(:below AS bigint), 9223372036854775807)
        ORDER BY id DESC LIMIT :limit
    ) AS found
    ORDER BY found.id DESC LIMIT :limit
) AS page
JOIN loads ON loads.id = page.id
ORDER BY loads.id DESC;
