-- The newest revision of each profile, or of the one with a code.
SELECT DISTINCT ON (code) code, revision, profile, change, changed_by, changed_at
FROM profile_revisions
WHERE CAST(:code AS text) IS NULL OR code = :code
ORDER BY code, revision DESC;
