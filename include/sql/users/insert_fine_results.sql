-- requires: candidate_fines
-- Records the decisions about fines for the report.
INSERT INTO maintenance_job_results (job_id, user_id, fine_id, reason) SELECT :job_id, user_id, fine_id, reason FROM candidate_fines;
