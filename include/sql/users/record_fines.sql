-- Keeps the verdicts about fines for the report.
INSERT INTO user_job_verdicts (job_id, user_id, fine_id, reason) SELECT :job_id, user_id, fine_id, reason FROM judged_fines;
