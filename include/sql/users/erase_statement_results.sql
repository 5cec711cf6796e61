-- requires: erased_identifiers, users_to_delete
-- Erases the identifiers of the users in the results of statements, before their own identifiers are erased.
UPDATE statement_results SET identifier = NULL
FROM (
    SELECT results.statement_id, results.number
    FROM users_to_delete JOIN statement_results AS results ON results.user_id = users_to_delete.user_id AND results.identifier IS NOT NULL
    UNION
    SELECT results.statement_id, results.number
    FROM erased_identifiers AS erased
    CROSS JOIN LATERAL (
        SELECT statement_id, number FROM statement_results AS named WHERE named.identifier = erased.identifier AND named.user_id IS NULL
        OFFSET 0  -- so that the planner looks them up one by one
    ) AS results
) AS found
WHERE (statement_results.statement_id, statement_results.number) = (found.statement_id, found.number);
