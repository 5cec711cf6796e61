-- What a run of a job has done already.
SELECT * FROM user_jobs WHERE job = :job AND run = :run;
