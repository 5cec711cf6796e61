-- The codes of the sources that have loads. Each step finds the next code in the index, whatever the number of loads.
WITH RECURSIVE codes AS (
    (SELECT source FROM loads ORDER BY source LIMIT 1)
    UNION ALL
    SELECT (SELECT source FROM loads WHERE source > codes.source ORDER BY source LIMIT 1)
    FROM codes
    WHERE codes.source IS NOT NULL
)
SELECT source FROM codes WHERE source IS NOT NULL LIMIT 1000;
