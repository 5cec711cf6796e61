-- requires: identifier_claims, row_messages
-- Warns about each identifier that several users claim, once for each of these users.
INSERT INTO row_messages (kind, code, of_table, line, field, value, reason, remedy)
SELECT 'warning', 'contested_identifier', 'users', line, 'identifier:' || type, left(value, 60),
       format('identifier:%s %s is claimed by %s users, so it belongs to none of them', type, to_json(left(value, 60)), users),
       'correct it in the library system; until then nobody is billed under it'
FROM (
    SELECT claims.*, count(*) OVER (PARTITION BY type, value) AS users FROM identifier_claims AS claims
) AS claims
WHERE users > 1
  AND NOT EXISTS (SELECT FROM contested_identifiers AS known
                  WHERE (known.type, known.value, known.user_id) = (claims.type, claims.value, claims.user_id));
