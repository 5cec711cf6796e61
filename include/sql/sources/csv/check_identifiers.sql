-- requires: row_errors, staged_users
-- Finds identifiers in a file of users that two users would share, both in the file, or one only in the ledger.
WITH given AS (
    SELECT staged_users.line, staged_users.primary_id, identifier.key AS type, identifier.value,
           min(line) OVER (PARTITION BY identifier.key, identifier.value) AS first_line
    FROM staged_users CROSS JOIN jsonb_each_text(CAST(staged_users.identifiers AS jsonb)) AS identifier
    WHERE identifier.value IS NOT NULL
)
INSERT INTO row_errors (file, line, message)
SELECT :file, line, format('identifier:%s %s is on line %s already', type, to_json(left(value, 60)), first_line)
FROM given WHERE first_line < line
UNION ALL
SELECT :file, line, format('identifier:%s %s is that of user %s in the ledger', given.type,
                           to_json(left(given.value, 60)), to_json(holder.value))
FROM given
JOIN identifiers AS taken ON taken.type = given.type AND taken.value = given.value
JOIN identifiers AS holder ON holder.user_id = taken.user_id AND holder.type = 'userName'
WHERE NOT EXISTS (SELECT FROM staged_users WHERE staged_users.primary_id = holder.value);
