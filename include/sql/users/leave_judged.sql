-- Says that the users leave whom a purge does not keep.
INSERT INTO leaving (user_id) SELECT user_id FROM judged_users WHERE reason IS NULL;
