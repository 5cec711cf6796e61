-- requires: users_to_delete
-- Deletes the identifiers of the users to delete; they can be given to other users.
DELETE FROM identifiers USING users_to_delete WHERE identifiers.user_id = users_to_delete.user_id;
