-- One job over users.
SELECT * FROM user_jobs WHERE id = :job_id;
