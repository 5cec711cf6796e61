-- The closed partitions of a batch: into how many it is divided (NULL: none is closed), and the fines in them. `uneven`: the
-- rows differ in the number of partitions.
SELECT max(partition_count) AS partition_count, coalesce(sum(fines), 0) AS fines, coalesce(min(partition_count) <> max(partition_count), false) AS uneven
FROM closed_partitions WHERE batch_id = :batch_id;
