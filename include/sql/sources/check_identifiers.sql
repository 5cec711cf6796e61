-- requires: incoming_users, row_messages, staged_users
-- Rejects a new user without an id of the library system who has an identifier of a user in the ledger: most likely that user was
-- renamed. A user of the file who has a row of their own is no such user.
INSERT INTO row_messages (kind, code, of_table, line, field, value, reason, remedy)
SELECT 'rejected', 'renamed_user', 'users', incoming.line, 'identifier:' || given.key, left(given.value, 60),
       format('identifier:%s %s is that of user %s in the ledger', given.key, to_json(left(given.value, 60)),
              to_json(left(holder.value, 60))),
       'if this is the same user, add the column user_id to the file: then a primary_id may change'
FROM incoming_users AS incoming
JOIN staged_users ON staged_users.line = incoming.line
CROSS JOIN jsonb_each_text(CAST(staged_users.identifiers AS jsonb)) AS given
JOIN identifiers AS taken ON taken.type = given.key AND taken.value = given.value
JOIN identifiers AS holder ON holder.user_id = taken.user_id AND holder.type = 'userName'
WHERE incoming.known_id IS NULL AND incoming.source_user_id IS NULL
  AND NOT EXISTS (SELECT FROM incoming_users AS others WHERE others.known_id = taken.user_id);
