-- requires: candidate_fines
-- How many users have fines that are waived (reason NULL), or that stay for a reason.
SELECT reason, count(DISTINCT user_id) AS users FROM candidate_fines GROUP BY reason ORDER BY reason NULLS FIRST;
