-- Counts the lines of a batch whose user has been deleted since.
SELECT count(*) FROM batch_lines WHERE batch_id = :batch_id AND identifier = '';
