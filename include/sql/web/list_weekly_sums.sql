-- The sums by week (its Monday in :zone) and currency of the profiles that the person may see (NULL: all), from a moment on.
-- `exported` are charges less credits of closed batches, `paid` are applied payments. A bursar without an import counts as paid.
-- A credit or reversal for a charge of another profile moves from the profile that sends it to that of the charge.
SELECT CAST(date_trunc('week', moved.moment AT TIME ZONE :zone) AS date) AS week, moved.currency,
       sum(moved.exported) AS exported, sum(moved.paid) AS paid
FROM (
    SELECT batches.closed_at AS moment, batches.profile, totals.key AS currency, amounts.net AS exported,
           CASE WHEN batches.import_active THEN 0 ELSE amounts.net END AS paid
    FROM batches CROSS JOIN jsonb_each(batches.totals) AS totals
    CROSS JOIN LATERAL (
        SELECT CAST(totals.value ->> 'charges' AS numeric) + CAST(totals.value ->> 'credits' AS numeric) AS net
    ) AS amounts
    WHERE batches.closed_at >= :since
    UNION ALL
    SELECT batches.closed_at, sides.profile, batch_lines.currency, sides.amount, CASE WHEN sides.imports THEN 0 ELSE sides.amount END
    FROM batches JOIN batch_lines ON batch_lines.batch_id = batches.id AND batch_lines.charge_profile IS NOT NULL
    LEFT JOIN batch_lines AS charges ON charges.transaction_id = batch_lines.reversed_transaction_id
    LEFT JOIN batches AS batches_of_charges ON batches_of_charges.id = charges.batch_id
    CROSS JOIN LATERAL (
        VALUES (batches.profile, batches.import_active, -batch_lines.amount),
               (batch_lines.charge_profile, coalesce(batches_of_charges.import_active, false), batch_lines.amount)
    ) AS sides (profile, imports, amount)
    WHERE batches.closed_at >= :since
    UNION ALL
    SELECT import_files.applied_at, import_files.profile, applied.key, 0, CAST(applied.value AS numeric)
    FROM import_files CROSS JOIN jsonb_each(import_files.outcomes) AS outcomes
    CROSS JOIN jsonb_each_text(outcomes.value -> 'applied') AS applied
    WHERE import_files.applied_at >= :since
) AS moved
WHERE CAST(:profiles AS text[]) IS NULL OR moved.profile = ANY(CAST(:profiles AS text[]))
GROUP BY week, moved.currency
ORDER BY week, moved.currency;
