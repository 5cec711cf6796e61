-- The first wrong lines, and how many there are in all.
SELECT file, line, message, count(*) OVER () AS total FROM wrong_lines ORDER BY file, line, message LIMIT :wanted;
