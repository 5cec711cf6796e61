-- requires: incoming_users
-- Adds the primary ids of the file's users, and the ids that the library system has for them, as identifiers of :id_type.
INSERT INTO identifiers (user_id, type, value)
SELECT id, 'userName', primary_id FROM incoming_users
UNION ALL
SELECT id, :id_type, source_user_id FROM incoming_users WHERE source_user_id IS NOT NULL
ON CONFLICT (user_id, type) DO NOTHING;
