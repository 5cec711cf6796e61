-- Records the outcomes of a comparison: their numbers, and the sums of both sides by currency.
UPDATE statements SET outcomes = coalesce(found.outcomes, '{}'), users = found.users
FROM (
    SELECT (SELECT count(DISTINCT user_id) FROM statement_results WHERE statement_id = :statement_id) AS users,
           jsonb_object_agg(outcome, jsonb_build_object('results', results, 'ours', ours, 'theirs', theirs)) AS outcomes
    FROM (
        SELECT outcome, sum(results) AS results, jsonb_object_agg(currency, CAST(ours AS text)) AS ours,
               jsonb_object_agg(currency, CAST(theirs AS text)) AS theirs
        FROM (
            SELECT outcome, coalesce(currency, '') AS currency, count(*) AS results, sum(ours) AS ours, sum(theirs) AS theirs
            FROM statement_results WHERE statement_id = :statement_id GROUP BY outcome, coalesce(currency, '')
        ) AS by_currency GROUP BY outcome
    ) AS by_outcome
) AS found
WHERE id = :statement_id;
