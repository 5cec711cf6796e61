-- Records the start of an upload attempt, and the path to which it writes; {attempt} in it is the number of the attempt.
INSERT INTO upload_attempts (id, delivery_id, part_name)
OVERRIDING SYSTEM VALUE
SELECT number, :delivery_id, replace(CAST(:path AS text), '{attempt}', number::text)
FROM nextval(pg_get_serial_sequence('upload_attempts', 'id')) AS number
RETURNING *;
