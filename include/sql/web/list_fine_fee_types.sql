-- The types of fines in the ledger. Each step finds the next type in the index, whatever the number of fines.
WITH RECURSIVE types AS (
    (SELECT fine_fee_type FROM fines ORDER BY fine_fee_type LIMIT 1)
    UNION ALL
    SELECT (SELECT fine_fee_type FROM fines WHERE fine_fee_type > types.fine_fee_type ORDER BY fine_fee_type LIMIT 1)
    FROM types
    WHERE types.fine_fee_type IS NOT NULL
)
SELECT fine_fee_type FROM types WHERE fine_fee_type IS NOT NULL LIMIT 200;
