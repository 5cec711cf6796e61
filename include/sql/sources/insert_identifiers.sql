-- requires: identifier_claims
-- Adds the identifiers that one user claims, and does not have yet.
INSERT INTO identifiers (user_id, type, value)
SELECT min(user_id), type, value FROM identifier_claims GROUP BY type, value HAVING count(*) = 1
ON CONFLICT (user_id, type) DO NOTHING;
