-- requires: users_to_delete
-- Erases the staff's comments on the fines of the users to delete.
UPDATE fines SET comment = NULL FROM users_to_delete WHERE fines.user_id = users_to_delete.user_id AND fines.comment IS NOT NULL;
