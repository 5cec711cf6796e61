-- One revision of a profile; without a number, the newest.
SELECT code, revision, profile, change, changed_by, changed_at
FROM profile_revisions
WHERE code = :code AND (CAST(:revision AS integer) IS NULL OR revision = :revision)
ORDER BY revision DESC
LIMIT 1;
