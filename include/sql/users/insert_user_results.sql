-- requires: candidate_users
-- Records the decisions about users for the report.
INSERT INTO maintenance_job_results (job_id, user_id, reason) SELECT :job_id, user_id, reason FROM candidate_users;
