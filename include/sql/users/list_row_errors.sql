-- requires: row_errors
-- Lists the first row errors, with their total number.
SELECT file, line, message, count(*) OVER () AS total FROM row_errors ORDER BY file, line, message LIMIT :wanted;
