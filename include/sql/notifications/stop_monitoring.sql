-- Stops monitoring all jobs but these, so that monitoring starts anew if a job comes back.
DELETE FROM monitored_jobs WHERE NOT (job, profile) IN (SELECT * FROM unnest(CAST(:jobs AS text[]), CAST(:profiles AS text[])));
