-- The revisions of a profile below a number, newest first.
SELECT code, revision, profile, change, changed_by, changed_at
FROM profile_revisions
WHERE code = :code AND revision < coalesce(CAST(:below AS integer), 2147483647)
ORDER BY revision DESC
LIMIT :limit;
