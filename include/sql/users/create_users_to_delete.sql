-- Who leaves, for the length of a transaction.
CREATE TEMPORARY TABLE users_to_delete (user_id bigint PRIMARY KEY) ON COMMIT DROP;
