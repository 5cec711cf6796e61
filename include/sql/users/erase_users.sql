-- requires: users_to_delete
-- Erases the names and dates of the users to delete; the number and the group stay for the sums of the past.
UPDATE users SET last_name = 'Deleted user', first_name = '', expiry_date = NULL, purge_date = NULL, deleted_at = now(),
                 deleted_by = :deleted_by
FROM users_to_delete WHERE users.id = users_to_delete.user_id;
