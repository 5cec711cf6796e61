-- The shares of a batch that are closed: into how many it was divided (NULL: none is closed), and the fines in them. `uneven`
-- tells that not all were divided alike.
SELECT max(partition_count) AS partition_count, coalesce(sum(fines), 0) AS fines, coalesce(min(partition_count) <> max(partition_count), false) AS uneven
FROM closed_partitions WHERE batch_id = :batch_id;
