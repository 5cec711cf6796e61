-- requires: candidate_users
-- Keeps the verdicts about users for the report.
INSERT INTO maintenance_job_results (job_id, user_id, reason) SELECT :job_id, user_id, reason FROM candidate_users;
