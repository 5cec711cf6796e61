-- One job over users.
SELECT * FROM maintenance_jobs WHERE id = :job_id;
