-- Records the server's answer to a request to rename a part, unless a later request has been recorded.
UPDATE upload_attempts SET rename_accepted = :is_accepted WHERE id = :id AND rename_requested_at = :requested_at;
