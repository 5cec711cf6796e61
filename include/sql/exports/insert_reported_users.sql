-- requires: candidates
-- Records the users who can't be exported, each for the first batch that left out their fines.
INSERT INTO reported_users (profile, user_id, reason, batch_id)
SELECT DISTINCT CAST(:profile AS text), user_id, reason, CAST(:batch_id AS bigint)
FROM candidates WHERE reason = ANY (CAST(:reasons AS text[]))
ON CONFLICT DO NOTHING;
