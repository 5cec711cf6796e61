-- Records that a person looked at the page of a user.
INSERT INTO user_accesses (person, user_id) VALUES (:person, :user_id);
