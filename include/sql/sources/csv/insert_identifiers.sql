-- requires: staged_users
-- Adds the identifiers in the file that its users don't have yet.
INSERT INTO identifiers (user_id, type, value)
SELECT primary_ids.user_id, identifier.key, identifier.value
FROM staged_users AS given
JOIN identifiers AS primary_ids ON primary_ids.type = 'userName' AND primary_ids.value = given.primary_id
CROSS JOIN jsonb_each_text(CAST(given.identifiers AS jsonb)) AS identifier
WHERE identifier.value IS NOT NULL
ON CONFLICT (user_id, type) DO NOTHING;
