-- requires: identifier_claims, incoming_users, staged_users
-- Deletes the earlier claims to the identifiers of the file, and those of its users to identifiers whose type is a column of it.
DELETE FROM contested_identifiers
WHERE (type, value) IN (SELECT type, value FROM identifier_claims)
   OR EXISTS (SELECT FROM incoming_users JOIN staged_users USING (line)
              WHERE incoming_users.id = contested_identifiers.user_id
                AND CAST(staged_users.identifiers AS jsonb) ? contested_identifiers.type);
