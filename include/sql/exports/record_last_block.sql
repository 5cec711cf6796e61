-- Records that an attempt is about to send its last block: after it, the server may have the whole file.
UPDATE upload_attempts SET last_block_at = clock_timestamp() WHERE id = :id;
