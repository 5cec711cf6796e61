-- Records what a run of a job did, in the transaction that does it.
INSERT INTO user_jobs (id, job, run, choices, dry_run, as_of, users, fines, totals, left_behind, started_at, ended_at)
OVERRIDING SYSTEM VALUE
VALUES (:job_id, :job, :run, CAST(:choices AS jsonb), :dry_run, :as_of, :users, :fines, CAST(:totals AS jsonb),
        CAST(:left_behind AS jsonb), now(), clock_timestamp())
RETURNING *;
