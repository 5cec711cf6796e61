-- requires: candidates
-- How many users have a fine that goes (reason NULL), or that stays for a reason.
SELECT reason, count(*) AS users FROM (SELECT DISTINCT reason, user_id FROM candidates) AS met GROUP BY reason;
