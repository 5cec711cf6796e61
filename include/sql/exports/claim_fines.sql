-- Claims the fines of a batch. The primary key rejects a fine, or a reversal, that another unfinished batch holds.
INSERT INTO batch_claims (fine_id, batch_id, reversal)
SELECT fine_id, batch_id, reversal FROM batch_lines WHERE batch_id = :batch_id ORDER BY fine_id;
