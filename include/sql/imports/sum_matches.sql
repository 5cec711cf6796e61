-- requires: matches
-- Counts and sums up the records of a file by the currency in the file, and counts those of a partition that have no outcome.
SELECT coalesce(currency, '') AS currency, count(*) AS records, coalesce(sum(amount), 0) AS sum,
       count(*) FILTER (WHERE partition_number = :partition_number) AS records_in_partition
FROM matches GROUP BY coalesce(currency, '');
