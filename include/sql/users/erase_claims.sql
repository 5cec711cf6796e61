-- requires: users_to_delete
-- Deletes the claims of the users to delete to identifiers that several users claim.
DELETE FROM contested_identifiers USING users_to_delete WHERE contested_identifiers.user_id = users_to_delete.user_id;
