-- Records the report of a run, and replaces an earlier one of the same run; the earliest start stays.
INSERT INTO run_reports AS known (job, profile, run_id, dry_run, as_of, started_at, ended_at, outcome, files, users, fines,
                                  totals, skipped, rejects, task_timings, messages, trigger, requested_by)
VALUES (:job, :profile, :run_id, :dry_run, :as_of, :started_at, :ended_at, :outcome, CAST(:files AS text[]), :users, :fines,
        CAST(:totals AS jsonb), CAST(:skipped AS jsonb), CAST(:rejects AS jsonb), CAST(:task_timings AS json),
        CAST(:messages AS text[]), :trigger, :requested_by)
ON CONFLICT (job, coalesce(profile, ''), run_id) DO UPDATE SET
    dry_run = EXCLUDED.dry_run, as_of = EXCLUDED.as_of, started_at = least(known.started_at, EXCLUDED.started_at),
    ended_at = EXCLUDED.ended_at, outcome = EXCLUDED.outcome, files = EXCLUDED.files, users = EXCLUDED.users,
    fines = EXCLUDED.fines, totals = EXCLUDED.totals, skipped = EXCLUDED.skipped, rejects = EXCLUDED.rejects,
    task_timings = EXCLUDED.task_timings, messages = EXCLUDED.messages,
    trigger = EXCLUDED.trigger, requested_by = EXCLUDED.requested_by
RETURNING *;
