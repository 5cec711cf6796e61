-- Records that Bursar has removed the part of an attempt, as the server confirmed.
UPDATE upload_attempts SET removed_at = clock_timestamp() WHERE id = :id AND removed_at IS NULL;
