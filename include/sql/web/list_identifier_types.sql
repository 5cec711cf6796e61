-- The types of identifiers in the ledger. Each step finds the next type in the index, whatever the number of users.
WITH RECURSIVE types AS (
    (SELECT type FROM identifiers ORDER BY type LIMIT 1)
    UNION ALL
    SELECT (SELECT type FROM identifiers WHERE type > types.type ORDER BY type LIMIT 1)
    FROM types
    WHERE types.type IS NOT NULL
)
SELECT type FROM types WHERE type IS NOT NULL LIMIT 200;
