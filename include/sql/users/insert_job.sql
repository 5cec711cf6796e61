-- Records the result of a run of a job, in the transaction of the job itself.
INSERT INTO maintenance_jobs (id, job, run_id, requested_by, params, dry_run, as_of, users, fines, totals, skipped,
                              started_at, ended_at)
OVERRIDING SYSTEM VALUE
VALUES (:job_id, :job, :run_id, :requested_by, CAST(:params AS jsonb), :dry_run, :as_of, :users, :fines,
        CAST(:totals AS jsonb), CAST(:skipped AS jsonb), now(), clock_timestamp())
RETURNING *;
