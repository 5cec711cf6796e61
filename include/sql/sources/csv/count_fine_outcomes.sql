-- requires: incoming_fines
-- Counts the fines of a file by outcome, and those of them whose amounts were rounded.
SELECT outcome, count(*) AS fines, count(*) FILTER (WHERE is_rounded) AS rounded FROM incoming_fines GROUP BY outcome;
