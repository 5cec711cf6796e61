-- Reserves the number of a new batch, which is part of its file name, and returns it with the moment of the selection.
SELECT nextval(pg_get_serial_sequence('batches', 'id')) AS id, now() AS selected_at;
