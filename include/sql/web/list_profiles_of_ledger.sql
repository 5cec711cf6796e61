-- The codes of the profiles that have unfinished batches or files of payments; some may not be profiles any more. Each step finds
-- the next code of files in an index, whatever the number of files.
WITH RECURSIVE codes AS (
    (SELECT profile FROM file_arrivals ORDER BY profile LIMIT 1)
    UNION ALL
    SELECT (SELECT profile FROM file_arrivals WHERE profile > codes.profile ORDER BY profile LIMIT 1)
    FROM codes
    WHERE codes.profile IS NOT NULL
)
SELECT profile FROM codes WHERE profile IS NOT NULL
UNION
SELECT profile FROM batches WHERE closed_at IS NULL AND released_at IS NULL;
