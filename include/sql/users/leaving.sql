-- Who leaves, for the length of a transaction.
CREATE TEMPORARY TABLE leaving (user_id bigint PRIMARY KEY) ON COMMIT DROP;
