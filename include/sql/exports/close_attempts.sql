-- Records that nothing of the attempts of a delivery is with the bursar, as a person confirms.
UPDATE upload_attempts SET removed_at = clock_timestamp() WHERE delivery_id = :delivery_id AND removed_at IS NULL;
