-- requires: candidates
-- Sums up the candidates by reason (NULL: selected) and currency; reversals are a part of the credits.
SELECT reason, currency,
       count(*) AS fines,
       coalesce(sum(amount) FILTER (WHERE amount > 0), 0) AS charges,
       coalesce(sum(amount) FILTER (WHERE amount < 0), 0) AS credits,
       coalesce(sum(amount) FILTER (WHERE is_reversal), 0) AS reversals
FROM candidates
GROUP BY reason, currency
ORDER BY reason NULLS FIRST, currency;
