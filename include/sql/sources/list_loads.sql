-- The newest loads, of one source or (NULL) of all, before the load :below if that is given.
SELECT * FROM loads
WHERE (CAST(:source AS text) IS NULL OR source = :source) AND id < coalesce(CAST(:below AS bigint), 9223372036854775807)
ORDER BY id DESC LIMIT :limit;
