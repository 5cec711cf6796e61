-- Keeps the verdicts about users for the report.
INSERT INTO user_job_verdicts (job_id, user_id, reason) SELECT :job_id, user_id, reason FROM judged_users;
