-- Adds the time of a try to its stage; the last try's error stays, or the lack of one.
INSERT INTO job_stages AS known (job, profile, run, stage, part, started_at, seconds, error)
VALUES (:job, :profile, :run, :stage, :part, :started_at, :seconds, :error)
ON CONFLICT (job, profile, run, stage, part) DO UPDATE SET
    seconds = known.seconds + EXCLUDED.seconds, error = EXCLUDED.error;
