-- Forgets the stages of runs that began before a moment.
DELETE FROM job_stages WHERE started_at < :before;
