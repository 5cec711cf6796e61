-- The newest maintenance jobs.
SELECT * FROM maintenance_jobs ORDER BY id DESC LIMIT :limit;
