-- Records that the part of an attempt is about to be renamed; the answer to an earlier request counts no more.
UPDATE upload_attempts SET rename_requested_at = clock_timestamp(), rename_accepted = NULL
WHERE delivery_id = :delivery_id AND part_name = :part_name
RETURNING id, rename_requested_at;
