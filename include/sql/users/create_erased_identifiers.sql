-- requires: users_to_delete
-- Creates the table of the identifiers of the users to delete: their own, and those in their export lines.
CREATE TEMPORARY TABLE erased_identifiers ON COMMIT DROP AS
SELECT batch_lines.identifier
FROM users_to_delete JOIN fines ON fines.user_id = users_to_delete.user_id JOIN batch_lines ON batch_lines.fine_id = fines.id
UNION
SELECT identifiers.value FROM users_to_delete JOIN identifiers ON identifiers.user_id = users_to_delete.user_id;
