-- Starts to monitor a job of a profile unless it is monitored already; returns the moment since which it is.
INSERT INTO monitored_jobs (job, profile, monitored_since) VALUES (:job, :profile, :now)
ON CONFLICT (job, profile) DO UPDATE SET monitored_since = monitored_jobs.monitored_since
RETURNING monitored_since;
