-- One report.
SELECT * FROM run_reports WHERE id = :id;
