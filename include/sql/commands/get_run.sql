-- The report of one run.
SELECT * FROM run_reports WHERE id = :id;
