-- Returns the medians of fines, and of charges in each currency, over the newest 10 exports of a profile. A currency
-- that an export did not have counts as 0 there. No row if there are fewer than 3 exports.
WITH newest AS MATERIALIZED (
    SELECT id, fines, totals FROM batches
    WHERE profile = :profile AND closed_at IS NOT NULL AND fines > 0
    ORDER BY id DESC LIMIT 10
), currencies AS (
    SELECT DISTINCT jsonb_object_keys(totals) AS currency FROM newest
), charges AS (
    SELECT currency,
           percentile_disc(0.5) WITHIN GROUP (
               ORDER BY coalesce((totals -> currency ->> 'charges')::numeric, 0)) AS median
    FROM newest CROSS JOIN currencies GROUP BY currency
)
SELECT (SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY fines) FROM newest) AS fines,
       (SELECT jsonb_object_agg(currency, median::text) FROM charges) AS charges
WHERE (SELECT count(*) FROM newest) >= 3;
