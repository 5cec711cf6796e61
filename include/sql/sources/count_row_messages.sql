-- requires: row_messages
-- Counts the rows with messages, by kind, table and code.
SELECT kind, of_table, code, count(DISTINCT coalesce(line, -fine_id)) AS rows FROM row_messages GROUP BY kind, of_table, code;
