-- The batches that a run of a profile ended for other runs, oldest first.
SELECT * FROM batches WHERE profile = :profile AND ended_by = :run ORDER BY id;
