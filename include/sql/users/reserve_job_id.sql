-- Reserves the id of the next job.
SELECT nextval(pg_get_serial_sequence('maintenance_jobs', 'id'));
