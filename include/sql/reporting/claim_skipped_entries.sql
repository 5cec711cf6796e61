-- Assigns to a run the entries of its profile's folder that no report has named yet.
UPDATE skipped_entries SET run_id = :run_id WHERE profile = :profile AND run_id IS NULL;
