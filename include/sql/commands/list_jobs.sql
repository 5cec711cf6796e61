-- The newest jobs over users.
SELECT * FROM maintenance_jobs ORDER BY id DESC LIMIT :limit;
