-- requires: incoming_users, row_messages
-- Drops the rejected users.
DELETE FROM incoming_users USING row_messages
WHERE row_messages.of_table = 'users' AND row_messages.kind = 'rejected' AND row_messages.line = incoming_users.line;
