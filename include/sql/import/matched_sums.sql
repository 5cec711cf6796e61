-- The records of a file in counts and sums, by the currency as the file gives it, and how many of them are in a share.
SELECT coalesce(currency, '') AS currency, count(*) AS records, coalesce(sum(amount), 0) AS sum,
       count(*) FILTER (WHERE share = :share) AS of_share
FROM matched GROUP BY coalesce(currency, '');
