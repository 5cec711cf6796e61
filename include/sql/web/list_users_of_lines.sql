-- The users of the first lines of a batch, up to the line :last.
SELECT DISTINCT user_id FROM batch_lines WHERE batch_id = :batch_id AND number <= :last;
