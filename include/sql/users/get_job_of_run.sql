-- Returns the recorded result of a run of a job.
SELECT * FROM maintenance_jobs WHERE job = :job AND run_id = :run_id;
