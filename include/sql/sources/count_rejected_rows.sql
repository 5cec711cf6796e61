-- requires: row_messages
-- Counts the rejected rows of each table, and their faults.
SELECT of_table, count(DISTINCT line) AS rows, count(*) AS faults FROM row_messages WHERE kind = 'rejected' GROUP BY of_table;
