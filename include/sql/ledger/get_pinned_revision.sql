-- The revision that is pinned to a run; no row if its profile is in a file.
SELECT profile_revisions.code, profile_revisions.revision, profile_revisions.profile, change, changed_by, changed_at
FROM run_revisions
JOIN profile_revisions ON profile_revisions.code = run_revisions.profile AND profile_revisions.revision = run_revisions.revision
WHERE run_revisions.job = :job AND run_revisions.profile = :code AND run_revisions.run_id = :run_id;
