-- requires: incoming_fines
-- How many fines of a file came out how.
SELECT outcome, count(*) AS fines FROM incoming_fines GROUP BY outcome;
