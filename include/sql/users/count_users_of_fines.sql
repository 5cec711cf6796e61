-- requires: candidate_fines
-- Counts the users with fines that are waived (reason NULL), and those with fines that are not, by reason.
SELECT reason, count(DISTINCT user_id) AS users FROM candidate_fines GROUP BY reason ORDER BY reason NULLS FIRST;
