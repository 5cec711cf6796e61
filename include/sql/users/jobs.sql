-- The newest jobs over users.
SELECT * FROM user_jobs ORDER BY id DESC LIMIT :limit;
