-- Counts the lines and the claims of a batch.
SELECT (SELECT count(*) FROM batch_lines WHERE batch_id = :batch_id) AS lines,
       (SELECT count(*) FROM batch_claims WHERE batch_id = :batch_id) AS claims;
