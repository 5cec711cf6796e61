-- What a batch holds: its lines, and its claims.
SELECT (SELECT count(*) FROM lines WHERE batch_id = :batch_id) AS lines,
       (SELECT count(*) FROM claims WHERE batch_id = :batch_id) AS claims;
