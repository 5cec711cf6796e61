-- requires: users_to_delete
-- Takes what staff wrote about the fines of those who leave.
UPDATE fines SET comment = NULL FROM users_to_delete WHERE fines.user_id = users_to_delete.user_id AND fines.comment IS NOT NULL;
