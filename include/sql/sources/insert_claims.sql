-- requires: identifier_claims
-- Records the claims to identifiers that several users claim.
INSERT INTO contested_identifiers (type, value, user_id)
SELECT type, value, user_id FROM (
    SELECT *, count(*) OVER (PARTITION BY type, value) AS users FROM identifier_claims
) AS claims WHERE users > 1;
