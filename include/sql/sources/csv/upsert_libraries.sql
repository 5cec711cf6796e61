-- requires: staged_libraries
-- Adds the libraries of the file, and updates the ids and names of known ones.
INSERT INTO libraries (code, id, name) SELECT code, id, name FROM staged_libraries
ON CONFLICT (code) DO UPDATE SET id = excluded.id, name = excluded.name;
