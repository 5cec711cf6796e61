-- All revisions of a profile, newest first.
SELECT code, revision, profile, change, changed_by, changed_at
FROM profile_revisions
WHERE code = :code
ORDER BY revision DESC;
