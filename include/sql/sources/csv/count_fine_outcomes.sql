-- requires: incoming_fines
-- Counts the fines of a file by outcome.
SELECT outcome, count(*) AS fines FROM incoming_fines GROUP BY outcome;
