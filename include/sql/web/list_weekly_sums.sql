-- The sums by week (its Monday in :zone) and currency of the profiles that the person may see (NULL: all), from a moment on.
-- `exported` are charges less credits of closed batches, `paid` are applied payments. A bursar without an import counts as paid.
SELECT CAST(date_trunc('week', moved.moment AT TIME ZONE :zone) AS date) AS week, moved.currency,
       sum(moved.exported) AS exported, sum(moved.paid) AS paid
FROM (
    SELECT batches.closed_at AS moment, totals.key AS currency, amounts.net AS exported,
           CASE WHEN batches.import_active THEN 0 ELSE amounts.net END AS paid
    FROM batches CROSS JOIN jsonb_each(batches.totals) AS totals
    CROSS JOIN LATERAL (
        SELECT CAST(totals.value ->> 'charges' AS numeric) + CAST(totals.value ->> 'credits' AS numeric) AS net
    ) AS amounts
    WHERE batches.closed_at >= :since
      AND (CAST(:profiles AS text[]) IS NULL OR batches.profile = ANY(CAST(:profiles AS text[])))
    UNION ALL
    SELECT import_files.applied_at, applied.key, 0, CAST(applied.value AS numeric)
    FROM import_files CROSS JOIN jsonb_each(import_files.outcomes) AS outcomes
    CROSS JOIN jsonb_each_text(outcomes.value -> 'applied') AS applied
    WHERE import_files.applied_at >= :since
      AND (CAST(:profiles AS text[]) IS NULL OR import_files.profile = ANY(CAST(:profiles AS text[])))
) AS moved
GROUP BY week, moved.currency
ORDER BY week, moved.currency;
