-- requires: candidate_users, users_to_delete
-- Adds the users whom a purge does not keep to the users to delete.
INSERT INTO users_to_delete (user_id) SELECT user_id FROM candidate_users WHERE reason IS NULL;
