-- Records the report of a run, in the place of an earlier one of the same run; the run began when it first did.
INSERT INTO job_reports AS known (job, profile, run, dry_run, as_of, started_at, ended_at, outcome, files, users, fines,
                                  totals, left_behind, rejects, stages, messages)
VALUES (:job, :profile, :run, :dry_run, :as_of, :started_at, :ended_at, :outcome, CAST(:files AS text[]), :users, :fines,
        CAST(:totals AS jsonb), CAST(:left_behind AS jsonb), CAST(:rejects AS jsonb), CAST(:stages AS json),
        CAST(:messages AS text[]))
ON CONFLICT (job, coalesce(profile, ''), run) DO UPDATE SET
    dry_run = EXCLUDED.dry_run, as_of = EXCLUDED.as_of, started_at = least(known.started_at, EXCLUDED.started_at),
    ended_at = EXCLUDED.ended_at, outcome = EXCLUDED.outcome, files = EXCLUDED.files, users = EXCLUDED.users,
    fines = EXCLUDED.fines, totals = EXCLUDED.totals, left_behind = EXCLUDED.left_behind, rejects = EXCLUDED.rejects,
    stages = EXCLUDED.stages, messages = EXCLUDED.messages
RETURNING *;
