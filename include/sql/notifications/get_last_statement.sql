-- Returns when the newest valid statement of a profile was compared.
SELECT max(compared_at) FROM statements WHERE profile = :profile;
