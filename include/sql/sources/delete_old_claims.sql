-- requires: identifier_claims, incoming_users
-- Deletes the earlier claims to the identifiers of the file, and those of its users.
DELETE FROM contested_identifiers
WHERE (type, value) IN (SELECT type, value FROM identifier_claims) OR user_id IN (SELECT id FROM incoming_users);
