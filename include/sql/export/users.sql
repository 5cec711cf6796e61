-- How many users have a fine that goes (reason NULL), or that stays for a reason.
SELECT reason, count(DISTINCT user_id) AS users FROM judged GROUP BY reason;
