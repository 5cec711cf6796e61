-- Adds the duration of a try to its task; the error of the last try replaces the earlier one.
INSERT INTO task_timings AS known (job, profile, run_id, task, map_key, started_at, seconds, error)
VALUES (:job, :profile, :run_id, :task, :map_key, :started_at, :seconds, :error)
ON CONFLICT (job, profile, run_id, task, map_key) DO UPDATE SET
    seconds = known.seconds + EXCLUDED.seconds, error = EXCLUDED.error;
