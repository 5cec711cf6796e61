-- requires: candidate_fines
-- Sums up the candidates by reason (NULL: waived) and currency.
SELECT reason, currency, count(*) AS fines,
       coalesce(sum(balance + outstanding) FILTER (WHERE balance + outstanding > 0), 0) AS charges,
       coalesce(sum(balance + outstanding) FILTER (WHERE balance + outstanding < 0), 0) AS credits,
       CAST(0 AS numeric) AS reversals    -- as in exports/summarize_candidates.sql; nothing here is exported
FROM candidate_fines
GROUP BY reason, currency
ORDER BY reason NULLS FIRST, currency;
