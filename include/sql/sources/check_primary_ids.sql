-- requires: incoming_users, row_messages
-- Rejects the users whose primary id is that of another user in the ledger, who has no other one in the file. If such a user is
-- dropped, the primary id that the file would have given up stays taken: then this is asked again.
INSERT INTO row_messages (kind, code, of_table, line, field, value, reason, remedy)
SELECT 'rejected', 'repeated', 'users', line, 'primary_id', left(primary_id, 60),
       format('primary_id %s is that of another user in the ledger', to_json(left(primary_id, 60))),
       'load that user with the new primary_id, too'
FROM incoming_users AS given
WHERE holder_id IS NOT NULL AND holder_id IS DISTINCT FROM known_id
  AND NOT EXISTS (SELECT FROM incoming_users AS others
                  WHERE others.known_id = given.holder_id AND others.primary_id <> given.primary_id);
