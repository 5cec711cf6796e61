-- How many lines of a batch have lost their person, since the user was deleted.
SELECT count(*) FROM batch_lines WHERE batch_id = :batch_id AND identifier = '';
