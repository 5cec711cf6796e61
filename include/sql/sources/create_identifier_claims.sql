-- requires: incoming_users, staged_users
-- Creates the table of the users who claim an identifier that is in the file, or that a user of the file claimed before: users of
-- the file, holders in the ledger, and those who claimed it in earlier files.
CREATE TEMPORARY TABLE identifier_claims ON COMMIT DROP AS
WITH given AS MATERIALIZED (
    SELECT incoming_users.id AS user_id, incoming_users.line, identifier.key AS type, identifier.value
    FROM incoming_users JOIN staged_users USING (line)
    CROSS JOIN jsonb_each_text(CAST(staged_users.identifiers AS jsonb)) AS identifier
), asked AS MATERIALIZED (
    SELECT type, value FROM given WHERE value IS NOT NULL
    UNION
    SELECT type, value FROM contested_identifiers WHERE user_id IN (SELECT user_id FROM given)
)
SELECT type, value, user_id, line FROM given WHERE value IS NOT NULL
UNION ALL
SELECT type, value, user_id, NULL FROM identifiers JOIN asked USING (type, value)
WHERE NOT EXISTS (SELECT FROM given WHERE given.user_id = identifiers.user_id AND given.type = identifiers.type)
UNION ALL
SELECT type, value, user_id, NULL FROM contested_identifiers JOIN asked USING (type, value)
WHERE NOT EXISTS (SELECT FROM given WHERE given.user_id = contested_identifiers.user_id AND given.type = contested_identifiers.type);
