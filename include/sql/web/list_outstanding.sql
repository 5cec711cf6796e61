-- What was outstanding at the end of each week from a day on, of the profiles that the person may see (NULL: all), by currency and
-- by days since the export. A week in which nothing was counted has no row; one without an outstanding amount has no currency.
SELECT counted.week, counted.counted_at, one.currency, one.days, sum(one.fines) AS fines, sum(one.amount) AS amount
FROM outstanding_by_week AS counted
LEFT JOIN LATERAL jsonb_to_recordset(counted.sums) AS one (profile text, currency text, days integer, fines bigint, amount numeric)
    ON CAST(:profiles AS text[]) IS NULL OR one.profile = ANY(CAST(:profiles AS text[]))
WHERE counted.week >= :since
GROUP BY counted.week, one.currency, one.days
ORDER BY counted.week, one.currency, one.days;
