-- The codes of the profiles that have reports of a job. Each step finds the next code in the index, whatever the number of runs.
WITH RECURSIVE codes AS (
    (SELECT profile FROM run_reports WHERE job = :job AND profile IS NOT NULL ORDER BY profile LIMIT 1)
    UNION ALL
    SELECT (SELECT profile FROM run_reports WHERE job = :job AND profile > codes.profile ORDER BY profile LIMIT 1)
    FROM codes
    WHERE codes.profile IS NOT NULL
)
SELECT profile FROM codes WHERE profile IS NOT NULL LIMIT 1000;
