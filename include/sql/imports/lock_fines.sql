-- requires: matches
-- Locks the fines that a partition of a file pays, in the order of their ids, until the transaction ends.
SELECT count(*) FROM (
    SELECT id FROM fines WHERE id IN (SELECT fine_id FROM matches WHERE partition_number = :partition_number AND outcome IS NULL)
    ORDER BY id FOR UPDATE
) AS locked;
