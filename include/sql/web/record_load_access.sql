-- Records that a person saw the rows of a load.
INSERT INTO user_accesses (person, load_id) VALUES (:person, :load_id);
