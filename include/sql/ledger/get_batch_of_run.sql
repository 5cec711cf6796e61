-- The batch that a run of a profile has already, released ones aside; dry runs stay theirs.
SELECT * FROM batches_with_state WHERE profile = :profile AND run_id = :run_id AND (released_at IS NULL OR dry_run);
