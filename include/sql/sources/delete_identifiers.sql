-- requires: incoming_users, staged_users
-- Deletes the identifiers of the file's users that have changed: those whose type is a column of the file and whose value there is
-- blank or different, and primary ids.
DELETE FROM identifiers
USING incoming_users
JOIN staged_users ON staged_users.line = incoming_users.line,
LATERAL (
    SELECT key, value FROM jsonb_each_text(CAST(staged_users.identifiers AS jsonb))
    UNION ALL VALUES ('userName', staged_users.primary_id)
) AS given
WHERE identifiers.user_id = incoming_users.known_id
  AND identifiers.type = given.key
  AND identifiers.value IS DISTINCT FROM given.value;
