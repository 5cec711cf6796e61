-- Records the start of an upload attempt, and the name of its part.
INSERT INTO upload_attempts (id, delivery_id, part_name)
OVERRIDING SYSTEM VALUE
SELECT number, :delivery_id, '.' || CAST(:file_name AS text) || '.' || number || '.part'
FROM nextval(pg_get_serial_sequence('upload_attempts', 'id')) AS number
RETURNING *;
