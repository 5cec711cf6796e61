-- Records that a person saw the names of users.
INSERT INTO user_accesses (person, user_id) SELECT :person, user_id FROM unnest(CAST(:users AS bigint[])) AS user_id;
