-- requires: candidate_users
-- How many users a purge takes (reason NULL), or keeps for a reason.
SELECT reason, count(*) AS users FROM candidate_users GROUP BY reason ORDER BY reason NULLS FIRST;
