-- Counts the fines that are outstanding at bursars: by profile, currency, and days since the export, of which :days are the lower
-- bounds. Replaces an earlier count of the same week. Of two counts at the same time, the one that began later stays.
INSERT INTO outstanding_by_week AS known (week, counted_at, sums)
SELECT CAST(date_trunc('week', now() AT TIME ZONE :zone) AS date), now(),
       coalesce(jsonb_agg(jsonb_build_object('profile', profile, 'currency', currency, 'days', days, 'fines', fines, 'amount', CAST(amount AS text))
                          ORDER BY profile, currency, days), '[]')
FROM (
    SELECT sent.profile, fines.currency, age.days, count(*) AS fines, sum(fines.outstanding) AS amount
    FROM fines
    CROSS JOIN LATERAL (
        SELECT coalesce(batch_lines.charge_profile, batches.profile) AS profile, batches.closed_at
        FROM batch_lines JOIN batches ON batches.id = batch_lines.batch_id
        WHERE batch_lines.fine_id = fines.id AND batches.closed_at IS NOT NULL AND NOT batch_lines.reversal
        LIMIT 1
    ) AS sent
    CROSS JOIN LATERAL (
        SELECT max(days) AS days FROM unnest(CAST(:days AS integer[])) AS bounds (days)
        WHERE sent.closed_at <= now() - days * interval '1 day'
    ) AS age
    WHERE fines.outstanding <> 0
    GROUP BY sent.profile, fines.currency, age.days
) AS counted
ON CONFLICT (week) DO UPDATE SET counted_at = EXCLUDED.counted_at, sums = EXCLUDED.sums
WHERE known.counted_at < EXCLUDED.counted_at;
