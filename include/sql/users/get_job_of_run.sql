-- What a run of a job has done already.
SELECT * FROM maintenance_jobs WHERE job = :job AND run_id = :run_id;
