-- Returns the arrival of the newest valid file of payments of a profile; a file that a person applied again has not arrived.
SELECT max(registered_at) FROM import_files WHERE profile = :profile AND rejected_at IS NULL AND repeated_arrival_id IS NULL;
