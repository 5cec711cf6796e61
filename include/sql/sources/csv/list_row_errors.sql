-- requires: row_errors
-- The first wrong lines, and how many there are in all.
SELECT file, line, message, count(*) OVER () AS total FROM row_errors ORDER BY file, line, message LIMIT :wanted;
