-- Returns the number of partitions of a batch (NULL: none is closed) and the fines in the closed ones. `uneven`: the
-- rows differ in the number of partitions.
SELECT max(partition_count) AS partition_count, coalesce(sum(fines), 0) AS fines, coalesce(min(partition_count) <> max(partition_count), false) AS uneven
FROM closed_partitions WHERE batch_id = :batch_id;
