-- requires: staged_libraries
-- Adds the libraries of the file, and gives known ones its ids and names.
INSERT INTO libraries (code, id, name) SELECT code, id, name FROM staged_libraries
ON CONFLICT (code) DO UPDATE SET id = excluded.id, name = excluded.name;
