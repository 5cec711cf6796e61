-- The newest load of each of some sources.
SELECT newest.*
FROM unnest(CAST(:sources AS text[])) AS wanted
CROSS JOIN LATERAL (SELECT * FROM loads WHERE source = wanted ORDER BY id DESC LIMIT 1) AS newest
ORDER BY newest.id DESC;
