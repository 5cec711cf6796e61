-- Forgets the reports of runs that began before a moment.
DELETE FROM job_reports WHERE started_at < :before;
