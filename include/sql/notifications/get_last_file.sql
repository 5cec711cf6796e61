-- When the newest file of a profile came that was a file of payments.
SELECT max(registered_at) FROM import_files WHERE profile = :profile AND rejected_at IS NULL;
