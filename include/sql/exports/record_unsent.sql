-- Records that an attempt has sent nothing: the server did not open the file.
UPDATE upload_attempts SET first_block_at = NULL WHERE id = :id AND last_block_at IS NULL;
