-- Stops watching what is no longer among these jobs, so that it is watched afresh if it comes back.
DELETE FROM monitored_jobs WHERE NOT (job, profile) IN (SELECT * FROM unnest(CAST(:jobs AS text[]), CAST(:profiles AS text[])));
