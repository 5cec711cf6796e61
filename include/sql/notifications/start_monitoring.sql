-- Begins to watch a job of a profile, or goes on; gives the moment since when.
INSERT INTO monitored_jobs (job, profile, since) VALUES (:job, :profile, :now)
ON CONFLICT (job, profile) DO UPDATE SET since = monitored_jobs.since
RETURNING since;
