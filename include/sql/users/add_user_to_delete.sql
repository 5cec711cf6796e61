-- requires: users_to_delete
-- Adds one user to the users to delete.
INSERT INTO users_to_delete (user_id) VALUES (:user_id);
