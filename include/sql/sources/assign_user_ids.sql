-- requires: incoming_users
-- Gives each user of the file an internal id, new ones in the order of the file.
UPDATE incoming_users SET id = assigned.id
FROM (
    SELECT line, coalesce(known_id, nextval(pg_get_serial_sequence('users', 'id'))) AS id
    FROM (SELECT line, known_id FROM incoming_users ORDER BY line) AS given
) AS assigned
WHERE assigned.line = incoming_users.line;
