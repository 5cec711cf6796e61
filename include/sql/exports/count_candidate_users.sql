-- requires: candidates
-- Counts the users with fines that are selected (reason NULL), and those with fines that are skipped, by reason.
SELECT reason, count(*) AS users FROM (SELECT DISTINCT reason, user_id FROM candidates) AS met GROUP BY reason;
