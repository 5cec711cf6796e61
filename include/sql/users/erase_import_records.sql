-- requires: users_to_delete
-- Erases the identifiers of the users in the records of payment files, before their own identifiers are erased.
UPDATE import_records SET identifier = NULL
WHERE identifier IN (
    SELECT batch_lines.identifier
    FROM users_to_delete JOIN fines ON fines.user_id = users_to_delete.user_id JOIN batch_lines ON batch_lines.fine_id = fines.id
    UNION
    SELECT identifiers.value FROM users_to_delete JOIN identifiers ON identifiers.user_id = users_to_delete.user_id
);
