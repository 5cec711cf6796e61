-- requires: compared_amounts, expected_amounts, named_lines
-- Compares the totals of users with those of the ledger. Each of the things that happened lately may be in a total or not.
INSERT INTO compared_amounts
SELECT coalesce(ours.user_id, theirs.user_id), NULL, NULL, coalesce(theirs.identifier, ours.identifier), theirs.line,
       coalesce(theirs.lines, 0), coalesce(ours.currency, theirs.currency), coalesce(ours.amount, 0), coalesce(theirs.amount, 0),
       coalesce(coalesce(theirs.amount, 0) BETWEEN ours.lowest AND ours.highest, false), NULL
FROM (
    SELECT user_id, currency, min(identifier) AS identifier, sum(amount) AS amount, sum(least(amount, lowest)) AS lowest,
           sum(greatest(amount, highest)) AS highest
    FROM expected_amounts
    CROSS JOIN LATERAL (SELECT min(one) AS lowest, max(one) AS highest FROM unnest(possible) AS amounts (one)) AS bounds
    GROUP BY user_id, currency
) AS ours
FULL JOIN (
    SELECT user_id, currency, sum(amount) AS amount, count(*) AS lines, min(line) AS line, min(identifier) AS identifier
    FROM named_lines WHERE reason IS NULL GROUP BY user_id, currency
) AS theirs ON theirs.user_id = ours.user_id AND theirs.currency = ours.currency
WHERE ours.amount <> 0 OR theirs.lines > 0;
