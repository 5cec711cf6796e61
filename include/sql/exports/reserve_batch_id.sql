-- Reserves the number of a new batch, which is part of its file name, and returns it with the moment of the selection. The
-- number is at least :start, and larger than that of every batch, also if the start is lowered. The lock of the selection
-- keeps two runs from reading the same largest number.
SELECT greatest(nextval(pg_get_serial_sequence('batches', 'id')), CAST(:start AS bigint), (SELECT max(id) + 1 FROM batches)) AS id,
       now() AS selected_at;
