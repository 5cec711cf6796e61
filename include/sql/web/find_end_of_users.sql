-- The user up to whom about :fines active fines are looked at, beginning with the user :first; NULL if there are fewer.
SELECT user_id
FROM fines
WHERE (balance <> 0 OR outstanding <> 0 OR pending_reversal <> 0) AND user_id >= :first
ORDER BY user_id
OFFSET :fines LIMIT 1;
