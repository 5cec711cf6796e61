-- requires: users_to_delete
-- Says that a user leaves.
INSERT INTO users_to_delete (user_id) VALUES (:user_id);
