-- requires: users_to_delete
-- Takes the identifiers of those who leave; they can be given to somebody else.
DELETE FROM identifiers USING users_to_delete WHERE identifiers.user_id = users_to_delete.user_id;
