-- One maintenance job.
SELECT * FROM maintenance_jobs WHERE id = :job_id;
