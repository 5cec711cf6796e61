-- The messages of a load in the order of its files, of one kind or (NULL) of all, after the message :after; so many, or (NULL)
-- all.
SELECT number, kind, code, file, line, source_id, fine_id, field, value, reason, remedy
FROM load_messages
WHERE load_id = :load_id AND (CAST(:kind AS text) IS NULL OR kind = :kind) AND number > :after
ORDER BY number LIMIT :limit;
