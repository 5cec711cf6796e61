-- A load.
SELECT * FROM loads WHERE id = :id;
