-- Increments the number of approval requests of a batch that has no answer yet.
UPDATE approvals SET times_asked = times_asked + 1 WHERE batch_id = :batch_id AND answer IS NULL;
