-- Returns the arrival of the newest valid file of payments of a profile.
SELECT max(registered_at) FROM import_files WHERE profile = :profile AND rejected_at IS NULL;
