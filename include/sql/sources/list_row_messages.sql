-- requires: row_messages
-- Lists the first messages of each kind and reason, in the order of the files. A row that an earlier load deferred has its own
-- file and line.
SELECT kind, code, of_table, coalesce(deferred.file, '') AS file, coalesce(deferred.line, messages.line) AS line,
       messages.source_id, fine_id, field, value, reason, remedy
FROM (
    SELECT *, row_number() OVER (PARTITION BY kind, code ORDER BY part, line, reason) AS position
    FROM (SELECT *, array_position(ARRAY['groups', 'libraries', 'users', 'fines'], of_table) AS part FROM row_messages) AS placed
) AS messages
LEFT JOIN deferred_fines AS deferred
       ON messages.line < 0 AND deferred.source = :source AND deferred.source_id = messages.source_id
WHERE position <= :wanted
ORDER BY kind, part, messages.line, reason;
