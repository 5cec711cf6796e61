-- requires: users_to_delete
-- Erases the identifiers of the users in the records of payment files, before their own identifiers are erased.
UPDATE import_records SET identifier = NULL
FROM (
    SELECT batch_lines.identifier
    FROM users_to_delete JOIN fines ON fines.user_id = users_to_delete.user_id JOIN batch_lines ON batch_lines.fine_id = fines.id
    UNION
    SELECT identifiers.value FROM users_to_delete JOIN identifiers ON identifiers.user_id = users_to_delete.user_id
) AS erased
CROSS JOIN LATERAL (
    SELECT file_id, number FROM import_records AS named WHERE named.identifier = erased.identifier
    OFFSET 0  -- so that the planner looks them up one by one
) AS found
WHERE import_records.file_id = found.file_id AND import_records.number = found.number;
