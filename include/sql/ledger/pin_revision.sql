-- Pins a revision to a run, unless one is pinned; 0 stands for a profile in a file.
INSERT INTO run_revisions (job, profile, run_id, revision) VALUES (:job, :code, :run_id, :revision)
ON CONFLICT (job, profile, run_id) DO NOTHING;
