-- requires: candidate_users
-- Counts the users that a purge deletes (reason NULL) and those that it keeps, by reason.
SELECT reason, count(*) AS users FROM candidate_users GROUP BY reason ORDER BY reason NULLS FIRST;
