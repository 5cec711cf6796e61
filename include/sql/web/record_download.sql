-- Records that a person downloaded the file of a batch.
INSERT INTO user_accesses (person, batch_id) VALUES (:person, :batch_id);
