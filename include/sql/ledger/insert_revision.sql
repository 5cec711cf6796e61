-- Adds the revision after the one that the person edited. Nothing is added if somebody else was faster.
INSERT INTO profile_revisions (code, revision, profile, change, changed_by)
SELECT :code, :based_on + 1, CAST(:profile AS jsonb), :change, :changed_by
WHERE :based_on = (SELECT coalesce(max(revision), 0) FROM profile_revisions WHERE code = :code)
ON CONFLICT DO NOTHING
RETURNING code, revision, profile, change, changed_by, changed_at;
