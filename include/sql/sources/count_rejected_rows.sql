-- requires: row_messages
-- Counts the rejected rows of each table, those of them that are in the files and were not deferred by earlier loads, and their
-- faults.
SELECT of_table, count(DISTINCT line) AS rows, count(DISTINCT line) FILTER (WHERE line > 0) AS rows_of_files, count(*) AS faults
FROM row_messages WHERE kind = 'rejected' GROUP BY of_table;
