-- Creates the table of the users to delete; it is dropped at the end of the transaction.
CREATE TEMPORARY TABLE users_to_delete (user_id bigint PRIMARY KEY) ON COMMIT DROP;
