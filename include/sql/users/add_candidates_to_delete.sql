-- requires: candidate_users, users_to_delete
-- Says that the users leave whom a purge does not keep.
INSERT INTO users_to_delete (user_id) SELECT user_id FROM candidate_users WHERE reason IS NULL;
