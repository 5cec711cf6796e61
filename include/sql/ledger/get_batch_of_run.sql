-- Returns the batch that a run of a profile has selected, unless it was released; the batch of a dry run is always
-- returned.
SELECT * FROM batches_with_state WHERE profile = :profile AND run_id = :run_id AND (released_at IS NULL OR dry_run);
