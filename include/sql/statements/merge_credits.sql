-- requires: compared_amounts
-- Adds the lines of credits to those of the charges that they reverse, if the list has both: a bursar may show a charge and its credits
-- apart, whose amounts are no longer outstanding here.
WITH reversals AS MATERIALIZED (
    SELECT credits.fine_id, credits.currency, fines.reverses AS charge_id
    FROM compared_amounts AS credits JOIN fines ON fines.id = credits.fine_id
    WHERE credits.lines > 0 AND credits.reason IS NULL AND fines.reverses IS NOT NULL
), credits AS MATERIALIZED (
    SELECT reversals.*
    FROM reversals JOIN compared_amounts AS charges ON charges.fine_id = charge_id AND charges.currency = reversals.currency
    WHERE charges.lines > 0 AND charges.reason IS NULL
), removed AS (
    DELETE FROM compared_amounts USING credits
    WHERE (compared_amounts.fine_id, compared_amounts.currency) = (credits.fine_id, credits.currency)
    RETURNING charge_id, compared_amounts.*
)
UPDATE compared_amounts
SET ours = compared_amounts.ours + sums.ours, theirs = compared_amounts.theirs + sums.theirs, lines = compared_amounts.lines + sums.lines,
    is_possible = sums.are_possible AND (is_possible OR compared_amounts.ours = compared_amounts.theirs)
FROM (
    SELECT charge_id, currency, sum(ours) AS ours, sum(theirs) AS theirs, sum(lines) AS lines, bool_and(is_possible OR ours = theirs) AS are_possible
    FROM removed GROUP BY charge_id, currency
) AS sums
WHERE (compared_amounts.fine_id, compared_amounts.currency) = (sums.charge_id, sums.currency);
