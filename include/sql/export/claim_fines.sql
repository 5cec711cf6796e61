-- Claims the fines of a batch. The primary key refuses a fine that another unfinished batch holds.
INSERT INTO claims (fine_id, batch_id) SELECT fine_id, batch_id FROM lines WHERE batch_id = :batch_id;
