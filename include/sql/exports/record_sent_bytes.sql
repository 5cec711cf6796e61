-- Records the size and SHA-256 of the bytes that the newest attempt of a delivery sends.
UPDATE deliveries SET file_size = :file_size, sha256 = :sha256 WHERE id = :id;
