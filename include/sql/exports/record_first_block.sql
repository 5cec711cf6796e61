-- Records that an attempt is about to send its first block under the final name: after it, the server may have a part of the file.
UPDATE upload_attempts SET first_block_at = clock_timestamp() WHERE id = :id;
