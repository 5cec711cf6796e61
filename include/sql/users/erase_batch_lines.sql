-- requires: users_to_delete
-- Erases the personal data in the users' export lines. A blank identifier marks such a line: no export sends one.
UPDATE batch_lines SET identifier = '', patron_name = '', comment = NULL
FROM users_to_delete JOIN fines ON fines.user_id = users_to_delete.user_id
WHERE batch_lines.fine_id = fines.id;
