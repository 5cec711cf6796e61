-- Records the size and SHA-256 of a built file, unless that is recorded already.
UPDATE batch_files SET file_size = :file_size, sha256 = :sha256
WHERE batch_id = :batch_id AND number = :number AND sha256 IS NULL;
