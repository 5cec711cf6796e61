-- Says that a user leaves.
INSERT INTO leaving (user_id) VALUES (:user_id);
