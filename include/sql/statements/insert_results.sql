-- requires: compared_amounts, named_lines
-- Writes the outcome of each comparison, and the lines that name nothing known, differences first. A lower amount of an open fine is
-- pending for :pending_days since the first statement in a row that had it, if what is outstanding has not changed: a payment may be on
-- its way. So is a fine that a file does not have which is a part of a list.
INSERT INTO statement_results (statement_id, number, outcome, user_id, fine_id, transaction_id, identifier, line, lines, currency, ours,
                               theirs, lower_since, reason)
SELECT :statement_id,
       row_number() OVER (ORDER BY array_position(ARRAY['DIFFERS', 'UNKNOWN_THERE', 'UNKNOWN_HERE', 'INVALID', 'PENDING', 'AGREES'], outcome),
                          line NULLS FIRST, user_id, fine_id, transaction_id),
       results.*
FROM (
    SELECT outcome, user_id, fine_id, transaction_id, identifier, line, lines, currency, ours, theirs, lower_since,
           CASE
               WHEN reason IS NOT NULL THEN reason
               WHEN outcome = 'AGREES' THEN NULL
               WHEN outcome = 'PENDING' AND is_possible
                   THEN 'an export, a payment or a reversal of the last days, or on its way, explains it'
               WHEN :partial AND lines = 0 AND outcome = 'PENDING' THEN 'not in this file, which has a part of the list'
               WHEN :partial AND lines = 0 AND outcome = 'UNKNOWN_THERE' THEN 'in none of the files of the last days'
               WHEN outcome = 'PENDING' THEN 'less is open there: a payment may be on its way'
               WHEN lines > 1 THEN 'the statement has ' || lines || ' lines of it'
               WHEN outcome = 'UNKNOWN_THERE' AND :lists = 'open'
                   THEN 'not open there: it was paid and the payment was not reported, or it was never billed'
               WHEN outcome = 'UNKNOWN_THERE' THEN 'not billed there'
               WHEN ours = 0 AND :lists = 'open' THEN 'nothing is outstanding here'
           END AS reason
    FROM (
        SELECT dated.*,
               CASE
                   WHEN reason IS NOT NULL THEN 'DIFFERS'
                   WHEN ours = theirs THEN 'AGREES'
                   WHEN is_possible THEN 'PENDING'
                   WHEN CAST(:stated_at AS timestamptz) - lower_since < make_interval(days => :pending_days) THEN 'PENDING'
                   WHEN lines = 0 THEN 'UNKNOWN_THERE'
                   ELSE 'DIFFERS'
               END AS outcome
        FROM (
            SELECT amounts.*,
                   CASE WHEN is_lower THEN least(coalesce(earlier.lower_since, :stated_at), :stated_at) END AS lower_since
            FROM (
                SELECT *, (:lists = 'open' OR :partial AND lines = 0)
                       AND reason IS NULL AND theirs * sign(ours) >= 0 AND abs(theirs) < abs(ours) AS is_lower
                FROM compared_amounts
            ) AS amounts
            LEFT JOIN statement_results AS earlier
                ON earlier.statement_id = (
                    SELECT max(id) FROM statements
                    WHERE profile = :profile AND compared_at IS NOT NULL AND lists = :lists AND of_users = :of_users AND id < :statement_id)
                AND amounts.is_lower AND earlier.user_id = amounts.user_id AND earlier.fine_id IS NOT DISTINCT FROM amounts.fine_id
                AND (:lists = 'open' OR earlier.transaction_id IS NOT DISTINCT FROM amounts.transaction_id)
                AND earlier.currency = amounts.currency AND earlier.ours = amounts.ours AND earlier.lower_since IS NOT NULL
        ) AS dated
    ) AS outcomes
    UNION ALL
    SELECT CASE WHEN is_invalid THEN 'INVALID' ELSE 'UNKNOWN_HERE' END, user_id, NULL, transaction_id, identifier, line, 1, currency, 0, amount,
           NULL, reason
    FROM named_lines WHERE reason IS NOT NULL
) AS results;
