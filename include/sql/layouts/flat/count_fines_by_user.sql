-- Returns the number of fines of each user of a batch, in the order of the lines.
SELECT count(*) FROM batch_lines WHERE batch_id = :batch_id GROUP BY user_id ORDER BY min(number);
