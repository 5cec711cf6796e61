-- Records that an abandoned worker found another file than its own under the final name of its direct upload.
UPDATE upload_attempts SET conflict_at = clock_timestamp() WHERE id = :id AND conflict_at IS NULL;
