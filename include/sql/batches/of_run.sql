-- The batch that a run of a profile has already, released ones aside.
SELECT * FROM batches WHERE profile = :profile AND run = :run AND released_at IS NULL;
