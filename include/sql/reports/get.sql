-- One report.
SELECT * FROM job_reports WHERE id = :id;
