-- Records that the part of an earlier attempt is about to be removed.
UPDATE upload_attempts SET removed_at = clock_timestamp() WHERE id = :id AND removed_at IS NULL;
