-- Adds the time of a try to its stage; the last try's error stays, or the lack of one.
INSERT INTO task_timings AS known (job, profile, run_id, task, map_key, started_at, seconds, error)
VALUES (:job, :profile, :run_id, :task, :map_key, :started_at, :seconds, :error)
ON CONFLICT (job, profile, run_id, task, map_key) DO UPDATE SET
    seconds = known.seconds + EXCLUDED.seconds, error = EXCLUDED.error;
