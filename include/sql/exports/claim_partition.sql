-- Claims a partition of a batch, with its number of claimed fines, for the transaction that closes it. Inserts nothing
-- if it is closed, or if other rows have another number of partitions; blocks while another transaction closes it.
INSERT INTO closed_partitions (batch_id, partition_number, partition_count, fines)
SELECT :batch_id, :partition_number, :partition_count, count(*) FROM batch_claims WHERE batch_id = :batch_id AND fine_id % :partition_count = :partition_number
HAVING NOT EXISTS (SELECT FROM closed_partitions WHERE batch_id = :batch_id AND partition_count <> :partition_count)
ON CONFLICT DO NOTHING
RETURNING fines;
