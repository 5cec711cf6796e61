-- requires: row_messages
-- Counts the rejected rows of each table.
SELECT of_table, count(DISTINCT line) AS rows FROM row_messages WHERE kind = 'rejected' GROUP BY of_table;
