-- Lists the results of a statement behind a number, differences first; only those with one of some outcomes.
SELECT number, outcome, user_id, fine_id, transaction_id, identifier, line, lines, currency, ours, theirs, theirs - ours AS difference, reason
FROM statement_results
WHERE statement_id = :statement_id AND number > :after AND outcome = ANY(CAST(:outcomes AS text[]))
ORDER BY number LIMIT :limit;
