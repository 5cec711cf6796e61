-- requires: incoming_fines, row_messages
-- Drops the rejected fines.
DELETE FROM incoming_fines USING row_messages
WHERE row_messages.of_table = 'fines' AND row_messages.kind = 'rejected' AND row_messages.line = incoming_fines.line;
