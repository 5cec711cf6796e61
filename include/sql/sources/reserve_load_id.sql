-- Reserves the id of a load, whose entries name it.
SELECT nextval(pg_get_serial_sequence('loads', 'id'));
