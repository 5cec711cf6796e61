-- Lists the newest statements below a number, of all profiles or of some.
SELECT * FROM statements
WHERE (CAST(:profiles AS text[]) IS NULL OR profile = ANY(CAST(:profiles AS text[]))) AND id < :below
ORDER BY id DESC LIMIT :limit;
