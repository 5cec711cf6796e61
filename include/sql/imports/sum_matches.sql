-- requires: matches
-- The records of a file in counts and sums, by the currency as the file gives it, and how many of them are in a partition.
SELECT coalesce(currency, '') AS currency, count(*) AS records, coalesce(sum(amount), 0) AS sum,
       count(*) FILTER (WHERE partition_number = :partition_number) AS records_of_partition
FROM matches GROUP BY coalesce(currency, '');
