-- The judged fines in sums: what goes (reason NULL) and what stays, by reason and currency.
SELECT reason, currency,
       count(*) AS fines,
       coalesce(sum(balance) FILTER (WHERE balance > 0), 0) AS charges,
       coalesce(sum(balance) FILTER (WHERE balance < 0), 0) AS credits
FROM judged
GROUP BY reason, currency
ORDER BY reason NULLS FIRST, currency;
