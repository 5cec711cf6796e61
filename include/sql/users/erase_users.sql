-- requires: users_to_delete
-- Takes the people out of their records; the number stays, and the group, for the sums of the past.
UPDATE users SET last_name = 'Deleted user', first_name = '', expiry_date = NULL, purge_date = NULL, deleted_at = now()
FROM users_to_delete WHERE users.id = users_to_delete.user_id;
